/**
 * What tells languages of one script apart: the words that every text of a language has, and letters that few others use. Written for the
 * languages IF-Eval asks for and for common ones that would be taken for them. Words are in small letters.
 */

export interface LanguageProfile {
  /** ISO 639-1. */
  readonly code: string;
  readonly words: readonly string[];
  /** Letters that speak for the language, as a string. */
  readonly letters: string;
}

function profile(code: string, words: string, letters = ""): LanguageProfile {
  return { code, words: words.split(" "), letters };
}

export const latinProfiles: readonly LanguageProfile[] = [
  profile(
    "en",
    "the of and to in is that it was for on are with as his they be at this have from or had by but not what all " +
      "were we when your can said there an which she do their if will how them then these so would has more could " +
      "no i you he my our about who its been than just",
  ),
  profile(
    "es",
    "de la que el en y a los se del las por un para con no una su al lo como más pero sus le ya o este sí porque " +
      "esta entre cuando muy sin sobre también me hasta hay donde quien desde todo nos durante es son está fue ser " +
      "tiene yo nuestro",
    "ñ¿¡",
  ),
  profile(
    "pt",
    "de a o que e do da em um para é com não uma os no se na por mais as dos como mas foi ao ele das tem à seu " +
      "sua ou ser quando muito nos já está eu também só pelo pela até isso ela entre era depois sem mesmo aos são " +
      "você meu nossa nosso",
    "ãõ",
  ),
  profile(
    "fr",
    "de la le et les des en un du une que est pour qui dans a par plus pas au sur ne se ce il sont avec son aux " +
      "ou mais nous cette comme ses tout on elle je vous leur été sans être fait même ces très d l c qu n j",
    "çœêû",
  ),
  profile(
    "de",
    "der die und in den von zu das mit sich des auf für ist im dem nicht ein eine als auch es an werden aus er " +
      "hat dass sie nach wird bei einer um am sind noch wie einem über einen so zum war haben nur oder aber vor zur " +
      "bis ich wir ihr mehr durch man kann",
    "ßäöü",
  ),
  profile(
    "it",
    "di e il la che in a per un del è con non una della i le sono si da al come più gli ma lo nel dei alla anche " +
      "ha ho delle dal ci nella mi se tra era suo questo quando essere molto io tutti tutto noi questa degli cosa l " +
      "un'",
    "òì",
  ),
  profile(
    "nl",
    "de het een van en in is dat op te zijn met voor niet die aan er om ook als dan maar bij nog uit wordt door " +
      "naar heeft hij ze wat kan deze over zo worden geen hun werd ik je wij we was tot veel onze mijn",
    "ĳ",
  ),
  profile(
    "pl",
    "i w na nie się z do to że jest o jak ale za od po przez są dla był tak czy być jego oraz które może tym już " +
      "ja jako ich tylko bardzo co który była ma go jej tego także ze pod mnie my nasze",
    "ąęłńśźż",
  ),
  profile(
    "vi",
    "và của là có cho không được trong một những với các này người đã khi tôi bạn để từ về như nhưng rằng cũng ra " +
      "vào đến nhiều rất sẽ chúng ta họ nó ở",
    "ơưđạảấầẩẫậắằẳẵặẹẻẽếềểễệỉịọỏốồổỗộớờởỡợụủứừửữựỳỵỷỹ",
  ),
  profile(
    "sw",
    "na ya wa kwa ni katika za la kuwa hii yake cha si au kama sana huo hiyo watu lakini pia mimi wewe yetu kila " +
      "vya hivyo ambayo ili sisi moja bila baada yangu wao mtu wake kwamba huu hizi yao zaidi wakati ana",
  ),
  profile(
    "fi",
    "ja on ei se että oli mutta kun ovat joka tämä myös hän niin kuin sen olen voi sekä jos minä ne mitä vain tai " +
      "ole hyvin jo nyt siitä kanssa ennen koska jotka olla ollut meidän sinä he kaikki paljon",
    "äö",
  ),
  profile(
    "sv",
    "och att det i en som är av för på med till den har de inte om ett han men var jag sig från vi så kan när " +
      "hade nu över efter också under eller mycket vad mot ska skulle där blir vara hon",
    "åäö",
  ),
  profile(
    "da",
    "og at det i en som er af for på med til den har de ikke om et han men var jeg sig fra vi så kan når havde nu " +
      "over efter også under eller meget hvad mod skal skulle der bliver være hun",
    "æø",
  ),
  profile(
    "no",
    "og å det i en som er av for på med til den har de ikke om et han men var jeg seg fra vi så kan når hadde nå " +
      "over etter også under eller mye hva mot skal skulle der blir være hun",
    "æø",
  ),
  profile(
    "ro",
    "și de la în a un o cu nu pe care din să mai este ce se au pentru sunt fi dar ca al ale prin " +
      "această acest cum eu sau lui era foarte după",
    "ășțâî",
  ),
  profile(
    "cs",
    "a se v na je že to s z do o i jak ale za pro by tak jsou po jako jsem který od ve už nebo když " +
      "jen být byl které jeho má při si jsme ještě",
    "ěřůťďň",
  ),
  profile(
    "hu",
    "a az és hogy nem is egy van ez meg csak de mint már ki el volt még vagy ha azt lehet amely között minden " +
      "ezt én mi nagyon kell után mert",
    "őű",
  ),
  profile(
    "tr",
    "ve bir bu için ile çok de da ne gibi daha olarak en ben sen o var yok mi ama kadar sonra her şey olan değil ya ki biz onun iyi oldu",
    "ğışİ",
  ),
  profile(
    "id",
    "yang dan di dengan untuk dari ini itu tidak dalam adalah pada saya akan ke juga atau anda bisa kami oleh " +
      "karena mereka ada kita sudah sangat dapat lebih telah sebuah tetapi",
  ),
  profile(
    "tl",
    "ang ng sa na mga ay at ito ko hindi para si kung may ako ka nila niya lang namin natin isang kanyang ngunit dahil mo siya upang rin",
  ),
  profile(
    "ca",
    "de la i el que a en els les del per un una amb és no al es com més però dels va són ha aquest seva seu pel molt",
    "·ŀ",
  ),
];

export const cyrillicProfiles: readonly LanguageProfile[] = [
  profile(
    "ru",
    "и в не на что с по это как его для из у но так же от мы вы был они все я к за то она он бы только или если есть " +
      "было когда уже очень мой",
    "ыэё",
  ),
  profile(
    "uk",
    "і в не на що з до це як його для та але від ми ви був вони є у й за я про які він вона бо або якщо коли вже дуже мій який щоб також",
    "іїєґ",
  ),
  profile(
    "bg",
    "и в не на че с по това как за от се да е са ще или като но си който съм през има му те ние аз той тя много към до ли бъде моят които",
    "ъщ",
  ),
  profile(
    "mk",
    "и во не на дека со од се да е за што тоа како ќе ги ова сум беше јас тој но или има многу кој која",
    "ѓќѕџјљњ",
  ),
];

export const arabicProfiles: readonly LanguageProfile[] = [
  profile(
    "ar",
    "في من على إلى أن هذا هذه التي الذي كان لا مع عن ما هو هي كل بعد قد لم ذلك أنا كانت ليس يمكن بين أو ثم",
    "ةأإىؤذثظ",
  ),
  profile(
    "fa",
    "که را از به در این است با برای می آن یک ها و شد بود هم خود تا ما شما من اما های نیست هستند بسیار او باید",
    "پچژگ",
  ),
  profile(
    "ur",
    "ہے ہیں کا کی کے میں سے کو اور یہ پر نے نہیں تھا وہ بھی ایک کر ہو تھی کہ لیے آپ ہم اس بہت اپنے",
    "ٹڈڑںےہھ",
  ),
];

export const devanagariProfiles: readonly LanguageProfile[] = [
  profile("hi", "है हैं का की के में से को और यह पर था थी नहीं भी लिए हो कर ने जो कि हम आप इस वह थे मैं बहुत अपने एक क्या", "़"),
  profile(
    "mr",
    "आहे आहेत आणि च्या हा ही हे मध्ये होते होता नाही साठी ते या व पण असे मी आपण झाले त्या केले म्हणून खूप तर एक माझे आम्ही",
    "ळ",
  ),
  profile("ne", "छ छन् हो र लाई गर्न यो त्यो हुन्छ गर्छ पनि भएको तथा गरेको थियो हामी तपाईं लागि सबै छैन रहेको हुने भने म मेरो धेरै एक"),
];
