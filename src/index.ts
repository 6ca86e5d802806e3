/**
 * The library: what `import ... from "fathom"` gives. The commands are built from these same functions; long work is an async generator of
 * events that takes an AbortSignal. Importing it loads no native code: the kernels are opened by the first tensor.
 */

// Checkpoints and adapters.
export { attachAdapter, loadAdapter, saveAdapter } from "./checkpoint/adapter.js";
export { type DownloadEvent, type DownloadOptions, type DownloadResult, downloadModel } from "./checkpoint/download.js";
export { type LoadResult, loadWeights, readConfig, type SaveModelOptions, saveModel } from "./checkpoint/modelFiles.js";
export { type RandomModelOptions, writeRandomModel } from "./checkpoint/randomModel.js";
export { findCheckpoint, listCheckpoints, lockRun, resolveModelDirectory } from "./checkpoint/runDirectory.js";
// Data.
export { type DataInspection, describeInspection, type InspectOptions, inspectData } from "./data/inspect.js";
export { type PrepareOptions, type PrepareProgress, prepareData } from "./data/prepare.js";
export { type DataManifest, PreparedData, type ValidationDocument } from "./data/preparedData.js";
export { type LoaderOptions, type LoaderState, PretrainLoader } from "./data/pretrainLoader.js";
export { type DataSource, parseDataSources } from "./data/sources.js";
export { type ScanProgress, TextData, type TextDataOptions } from "./data/textData.js";
// One process or many.
export type { Communicator } from "./distributed/communicator.js";
export { createGrid, type ProcessGrid } from "./distributed/grid.js";
export { type OpenWorldOptions, openWorld } from "./distributed/open.js";
export { singleCommunicator } from "./distributed/single.js";
export { type Verdict as AnswerVerdict, type VerifyOptions, verify as verifyAnswer } from "./eval/answers/verify.js";
// Generation and evaluation.
export { bitsByPosition, type PositionBucket, type PositionOptions, positionWindows } from "./eval/bitsByPosition.js";
export { type BitsPerByte, bitsPerByte, type ScoreOptions, scoreTokens, type TokenScores } from "./eval/bitsPerByte.js";
export { check as checkProblem, familyInfo, problemAt } from "./eval/problems/families.js";
export { type FamilyName, familyNames, type Problem } from "./eval/problems/problem.js";
// A model that answers.
export type { ChatAnswer, ChatOptions } from "./generate/answerChat.js";
export type { CompletedText, CompleteOptions } from "./generate/completeText.js";
export type { Grammar } from "./generate/grammar/constraint.js";
export { LanguageModel } from "./generate/languageModel.js";
export { type LoadOptions, loadModel, modelInThread } from "./generate/loadModel.js";
export type {
  EngineStats,
  FinishReason,
  GenerationEvent,
  GenerationRequest,
  Model,
  ModelInfo,
  PositionLogprobs,
} from "./generate/request.js";
export type { Sampling } from "./generate/sampler.js";
export type { ScoreTextOptions, TextScore } from "./generate/scoreText.js";
export type { TextOptions } from "./generate/textOptions.js";
export type { Completion, TextStream, TokenUsage } from "./generate/textStream.js";
// The model.
export { mergeAdapter, unmergeAdapter, withoutAdapter } from "./model/adapter.js";
export { type AdapterConfig, defaultAdapter } from "./model/adapterConfig.js";
export { type Batch, inferenceBatch, scoringBatch, trainingBatch } from "./model/batch.js";
export { type ModelConfig, parseModelConfig, serializeModelConfig } from "./model/config.js";
export { type Extension, type ExtensionMethod, extendedConfig } from "./model/contextExtension.js";
export { type BatchLosses, DeepseekV3, type LossWeights, type OnDispatched } from "./model/deepseekV3.js";
export {
  flopsPerTokenTraining,
  kvCacheBytesPerToken,
  type ParameterCounts,
  parameterCounts,
  type TrainingFlops,
} from "./model/flops.js";
export { initialize } from "./model/init.js";
export { loadPreset, presetNames } from "./model/presets.js";
export type { RopeScaling } from "./model/ropeScaling.js";
// After pre-training.
export { defaultEndpoint, EndpointExpert } from "./posttrain/ask/endpointExpert.js";
export type { Expert } from "./posttrain/ask/expert.js";
export {
  type AnswerPair,
  type ChatDataOptions,
  type ChatDataReport,
  loadPairs,
  loadPrompts,
  loadSequences,
  type PromptItem,
} from "./posttrain/data/chatData.js";
export { ChatLoader, type ChatLoaderOptions } from "./posttrain/data/chatLoader.js";
export { type GrpoInput, grpo } from "./posttrain/grpo/grpo.js";
export { defaultGrpo, type GrpoOptions, type GrpoVariant, withVariant } from "./posttrain/grpo/options.js";
export { type AskedProblem, askedProblems, problemAccuracy, problemScorer } from "./posttrain/grpo/problems.js";
export { rewardScorer } from "./posttrain/grpo/rewardScorer.js";
export type { Scorer } from "./posttrain/grpo/scoring.js";
export { Judge, type JudgeOptions } from "./posttrain/judge/judge.js";
export { type DpoInput, dpo } from "./posttrain/preference/dpo.js";
export { type RewardInput, reward } from "./posttrain/preference/reward.js";
export { type EncodedAnswer, openRewardModel, type RewardModel } from "./posttrain/preference/rewardModel.js";
export { builtinRewards, openRewards, type RewardContext } from "./posttrain/reward/openRewards.js";
export type { Reward, RewardFunction, RewardSample, Score } from "./posttrain/reward/reward.js";
export { scoreSamples } from "./posttrain/reward/scoreSamples.js";
export { defaultStageSettings, type StageSettings } from "./posttrain/settings.js";
export { type SftInput, sft } from "./posttrain/sft.js";
export { openSandbox, type Sandbox, type SandboxOptions } from "./sandbox/sandbox.js";
export type { ComputeDtype } from "./tensor/dtype.js";
// Text to ids and back.
export {
  type TokenizerTrainingEvent,
  type TokenizerTrainingSummary,
  type TrainTokenizerOptions,
  tokenizerTraining,
  trainTokenizer,
} from "./tokenizer/bpeTrainer.js";
export type { AnswerStart, ChatMessage, ToolCall } from "./tokenizer/chatTemplate.js";
export type { ThoughtPart } from "./tokenizer/thought.js";
export { type DecodeOptions, type EncodeOptions, type FimIds, Tokenizer } from "./tokenizer/tokenizer.js";
// Training.
export type {
  CheckpointEvent,
  EvaluationEvent,
  SampleEvent,
  StartEvent,
  StepEvent,
  TrainEvent,
  TrainResult,
  ValidationEvent,
} from "./train/events.js";
export { type PretrainInput, pretrain } from "./train/pretrain.js";
export { type RunRecord, readEvents, readRunRecord } from "./train/runFiles.js";
export { deepseekV3Schedule, type Schedule, type ScheduleOptions, scaledSchedule } from "./train/schedule.js";
export { defaultSettings, type TrainSettings } from "./train/settings.js";
