import { expect, test } from "vitest";
import { detectLanguage } from "./language.js";

/** Two texts in each of the 30 languages that IF-Eval asks for. */
const texts: Readonly<Record<string, readonly [string, string]>> = {
  en: ["The boat is in the harbour and the sailors are asleep.", "How do you make bread without an oven?"],
  es: [
    "El barco está en el puerto y los marineros duermen.",
    "¿Cómo se hace pan sin horno? Con una sartén y mucha paciencia.",
  ],
  pt: [
    "O barco está no porto e os marinheiros dormem.",
    "Como se faz pão sem forno? Com uma frigideira e muita paciência.",
  ],
  fr: [
    "Le bateau est dans le port et les marins dorment.",
    "Comment faire du pain sans four ? Avec une poêle et de la patience.",
  ],
  de: [
    "Das Boot liegt im Hafen und die Seeleute schlafen.",
    "Wie backt man Brot ohne Ofen? Mit einer Pfanne und viel Geduld.",
  ],
  it: [
    "La barca è nel porto e i marinai dormono.",
    "Come si fa il pane senza forno? Con una padella e molta pazienza.",
  ],
  pl: ["Łódź stoi w porcie, a marynarze śpią.", "Jak upiec chleb bez piekarnika? Na patelni i z cierpliwością."],
  vi: ["Con thuyền ở trong cảng và các thủy thủ đang ngủ.", "Làm bánh mì không có lò như thế nào? Với một cái chảo."],
  sw: [
    "Mashua iko katika bandari na mabaharia wamelala.",
    "Mkate hupikwa vipi bila jiko? Kwa sufuria na subira nyingi sana.",
  ],
  fi: [
    "Vene on satamassa ja merimiehet nukkuvat.",
    "Miten leipää tehdään ilman uunia? Pannulla, mutta se vaatii kärsivällisyyttä.",
  ],
  ru: ["Лодка стоит в порту, и моряки спят.", "Как испечь хлеб без печи? На сковороде, если есть время."],
  uk: ["Човен стоїть у порту, і моряки сплять.", "Як спекти хліб без печі? На пательні, якщо є час."],
  bg: ["Лодката е в пристанището и моряците спят.", "Как се прави хляб без фурна? На тиган, ако има време."],
  ar: ["القارب في الميناء والبحارة نائمون.", "كيف نصنع الخبز من دون فرن؟ يمكن ذلك على مقلاة."],
  fa: ["قایق در بندر است و ملوانان خواب هستند.", "چگونه نان را بدون تنور درست می کنند؟ با تابه."],
  ur: ["کشتی بندرگاہ میں ہے اور ملاح سو رہے ہیں۔", "تندور کے بغیر روٹی کیسے بنتی ہے؟ توے پر۔"],
  hi: ["नाव बंदरगाह में है और नाविक सो रहे हैं।", "बिना भट्ठी के रोटी कैसे बनती है? तवे पर और धीरज से।"],
  mr: ["नाव बंदरात आहे आणि खलाशी झोपले आहेत.", "भट्टीशिवाय भाकरी कशी करतात? तव्यावर, पण वेळ लागतो."],
  ne: ["डुङ्गा बन्दरगाहमा छ र नाविकहरू सुतेका छन्।", "भट्टी बिना रोटी कसरी बनाउन सकिन्छ? तावामा पनि हुन्छ।"],
  bn: ["নৌকা বন্দরে আছে আর নাবিকরা ঘুমাচ্ছে।", "চুলা ছাড়া রুটি কীভাবে হয়?"],
  pa: ["ਕਿਸ਼ਤੀ ਬੰਦਰਗਾਹ ਵਿੱਚ ਹੈ।", "ਰੋਟੀ ਤਵੇ ਉੱਤੇ ਬਣਦੀ ਹੈ।"],
  gu: ["હોડી બંદરમાં છે.", "રોટલી તવા પર બને છે."],
  ta: ["படகு துறைமுகத்தில் உள்ளது.", "ரொட்டி கல்லில் சுடப்படுகிறது."],
  te: ["పడవ ఓడరేవులో ఉంది.", "రొట్టె పెనం మీద కాలుతుంది."],
  kn: ["ದೋಣಿ ಬಂದರಿನಲ್ಲಿದೆ.", "ರೊಟ್ಟಿ ಹೆಂಚಿನ ಮೇಲೆ ಬೇಯುತ್ತದೆ."],
  ml: ["വള്ളം തുറമുഖത്താണ്.", "റൊട്ടി കല്ലിൽ ചുടുന്നു."],
  th: ["เรืออยู่ในท่าเรือ", "ทำขนมปังโดยไม่มีเตาอบได้อย่างไร"],
  he: ["הסירה בנמל והמלחים ישנים.", "איך אופים לחם בלי תנור?"],
  ko: ["배는 항구에 있고 선원들은 자고 있다.", "오븐 없이 빵을 어떻게 만들까요?"],
  ja: ["船は港にあり、船員は眠っている。", "オーブンなしでパンをどう作りますか。"],
};

test("texts in the languages of IF-Eval are recognised", () => {
  const found = Object.entries(texts).flatMap(([code, pair]) => pair.map((text) => [code, detectLanguage(text), text]));
  expect(found).toEqual(Object.entries(texts).flatMap(([code, pair]) => pair.map((text) => [code, code, text])));
});

test("neighbours that share words are told apart", () => {
  const neighbours: Readonly<Record<string, string>> = {
    nl: "De boot ligt in de haven en de zeelieden slapen.",
    sv: "Båten ligger i hamnen och sjömännen sover.",
    da: "Båden er i havnen, og hvad gør søfolkene? De sover meget.",
    no: "Båten er i havnen, og hva gjør sjøfolkene? De sover mye.",
    ro: "Barca este în port și marinarii dorm.",
    cs: "Loď je v přístavu a námořníci už spí.",
    hu: "A hajó a kikötőben van, és a matrózok már alszanak.",
    tr: "Tekne limanda ve denizciler çok yorgun olduğu için uyuyor.",
    id: "Perahu itu ada di pelabuhan dan para pelaut tidur.",
    tl: "Ang bangka ay nasa daungan at ang mga marino ay tulog.",
    ca: "La barca és al port i els mariners dormen amb els gats.",
    mk: "Бродот е во пристаништето, а морнарите ќе спијат.",
    el: "Το καράβι είναι στο λιμάνι.",
    "zh-cn": "船在港口里，水手们都睡着了。",
    "zh-tw": "船在港口裡，水手們都睡著了。",
  };
  const found = Object.entries(neighbours).map(([code, text]) => [code, detectLanguage(text)]);
  expect(found).toEqual(Object.keys(neighbours).map((code) => [code, code]));
});

test("a word of several languages says less than a word of one, and a letter of one language says something", () => {
  expect(detectLanguage("the de de")).toBe("en");
  expect(detectLanguage("Ñandú")).toBe("es");
});

test("capitals do not matter, and most of a text decides", () => {
  expect(detectLanguage("THE BOAT IS IN THE HARBOUR")).toBe("en");
  expect(detectLanguage("The word नाव means a boat, and that is all there is to it.")).toBe("en");
  expect(detectLanguage("孔子说：「の」这个字不是中文，是日语里的一个假名。")).toBe("zh-cn");
});

test("a text that nothing speaks for has no language", () => {
  expect(detectLanguage("")).toBeNull();
  expect(detectLanguage("12:30 -> 13:45")).toBeNull();
  expect(detectLanguage("Berlin Tokyo Lima")).toBeNull();
});
