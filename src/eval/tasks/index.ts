/** All tasks that come with the program, and the groups they form. A new benchmark is a module here and two lines below. */
import type { TaskFile, TaskGroup } from "../taskFile.js";
import { agievalGroups, agievalTasks } from "./agieval.js";
import { aiderTasks } from "./aider.js";
import { arcTasks } from "./arc.js";
import { bbhGroups, bbhTasks } from "./bbh.js";
import { bitsPerByteTask } from "./bitsPerByte.js";
import { c3Task } from "./c3.js";
import { ccpmTask } from "./ccpm.js";
import { cevalGroups, cevalTasks } from "./ceval.js";
import { cluewscTasks } from "./cluewsc.js";
import { cmathGroups, cmathTasks } from "./cmath.js";
import { cmmluGroups, cmmluTasks } from "./cmmlu.js";
import { cmrcTask } from "./cmrc.js";
import { codeforcesTask } from "./codeforces.js";
import { contestMathTasks } from "./contestMath.js";
import { cruxevalTasks } from "./cruxeval.js";
import { dropTasks } from "./drop.js";
import { fathomGroup } from "./fathom.js";
import { fimGroup, fimTasks } from "./fim.js";
import { framesTasks } from "./frames.js";
import { gpqaTasks } from "./gpqa.js";
import { gsm8kTasks } from "./gsm8k.js";
import { hellaswagTasks } from "./hellaswag.js";
import { hendrycksMathGroups, hendrycksMathTasks } from "./hendrycksMath.js";
import { humanevalTasks } from "./humaneval.js";
import { humanevalMulGroups, humanevalMulTasks } from "./humanevalMul.js";
import { ifevalTask } from "./ifeval.js";
import { liveCodeBenchTasks } from "./liveCodeBench.js";
import { longBenchGroups, longBenchTasks } from "./longBench.js";
import { mbppTask } from "./mbpp.js";
import { mgsmGroups, mgsmTasks } from "./mgsm.js";
import { mmluGroups, mmluTasks } from "./mmlu.js";
import { mmluChatTask } from "./mmluChat.js";
import { mmluProGroups, mmluProTasks } from "./mmluPro.js";
import { mmluReduxGroups, mmluReduxTasks } from "./mmluRedux.js";
import { mmmluGroups, mmmluTasks } from "./mmmlu.js";
import { naturalQuestionsTask } from "./naturalQuestions.js";
import { needleTask } from "./needle.js";
import { pileTasks } from "./pile.js";
import { piqaTasks } from "./piqa.js";
import { problemsGroup, problemsTasks } from "./problems.js";
import { raceTasks } from "./race.js";
import { simpleQaTasks } from "./simpleQa.js";
import { sweBenchTask } from "./sweBench.js";
import { triviaqaTasks } from "./triviaqa.js";
import { winograndeTask } from "./winogrande.js";

export const builtInTasks: readonly TaskFile[] = [
  ...[bitsPerByteTask, ...problemsTasks, ...fimTasks, needleTask],
  ...[...pileTasks, ...bbhTasks, ...mmluTasks, ...mmluReduxTasks, ...mmluProTasks, ...mmmluTasks],
  ...[...dropTasks, ...arcTasks, ...hellaswagTasks, ...piqaTasks, winograndeTask, ...raceTasks],
  ...[...triviaqaTasks, naturalQuestionsTask, ...agievalTasks],
  ...[...humanevalTasks, mbppTask, ...liveCodeBenchTasks, ...cruxevalTasks],
  ...[...gsm8kTasks, ...hendrycksMathTasks, ...mgsmTasks, ...cmathTasks, ...contestMathTasks],
  ...[...cluewscTasks, ...cevalTasks, ...cmmluTasks, cmrcTask, c3Task, ccpmTask],
  ...[mmluChatTask, ifevalTask, ...gpqaTasks, ...simpleQaTasks, ...framesTasks, ...longBenchTasks],
  ...[...humanevalMulTasks, codeforcesTask, sweBenchTask, ...aiderTasks],
];

export const builtInGroups: readonly TaskGroup[] = [
  ...[fathomGroup, problemsGroup, fimGroup],
  ...[...bbhGroups, ...mmluGroups, ...mmluReduxGroups, ...mmluProGroups, ...mmmluGroups],
  ...[
    ...agievalGroups,
    ...hendrycksMathGroups,
    ...mgsmGroups,
    ...cmathGroups,
    ...cevalGroups,
    ...cmmluGroups,
    ...longBenchGroups,
    ...humanevalMulGroups,
  ],
];
