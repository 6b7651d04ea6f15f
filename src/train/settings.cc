#include "train/settings.h"

#include "base/error.h"

namespace cllm {
namespace {

constexpr EnumName<TokenizerSettings::Kind> kTokenizerNames[] = {
    {TokenizerSettings::Kind::kAuto, "auto"},
    {TokenizerSettings::Kind::kByte, "byte"},
    {TokenizerSettings::Kind::kChar, "char"},
    {TokenizerSettings::Kind::kBpe, "bpe"}};
constexpr EnumName<OptimizerSettings::Kind> kOptimizerNames[] = {
    {OptimizerSettings::Kind::kAdamw, "adamw"}, {OptimizerSettings::Kind::kSgd, "sgd"}};

}  // namespace

void TokenizerSettings::list(FieldList& fields) {
  fields.add(
      "kind", kind, kTokenizerNames,
      {.help =
           "kind of vocabulary to make; auto: char for up to 256 distinct characters, else bpe"});
  fields.add(
      "vocabulary_size", vocabulary_size,
      {.help = "size of a bpe vocabulary", .unit = "tokens", .minimum = 257, .maximum = 1 << 20});
  fields.add("path", path,
             {.help = "tokenizer.json, or a folder with one or with vocab.json and merges.txt, to "
                      "use instead"});
}

void DataSettings::list(FieldList& fields) {
  fields.add(
      "train", train,
      {.help = "texts to learn from: files, folders, - for standard input, .bin token files"});
  fields.add("validation", validation,
             {.help = "held-out texts; empty takes the end of the training text"});
  fields.add("validation_fraction", validation_fraction,
             {.help = "share of the tokens, at the end, that is held out",
              .minimum = 0,
              .maximum = 1,
              .below_maximum = true});
  fields.add("stories", stories,
             {.help = "size of the built-in corpus of stories to learn from instead; 0 = off",
              .unit = "bytes",
              .minimum = 0});
}

void TrainSettings::list(FieldList& fields) {
  fields.add("steps", steps, {.help = "optimizer steps", .minimum = 1, .maximum = 4e9});
  fields.add("batch_size", batch_size,
             {.help = "sequences per forward and backward", .minimum = 1, .maximum = 1 << 20});
  fields.add("gradient_accumulation_steps", gradient_accumulation_steps,
             {.help = "batches whose gradients are averaged before the optimizer steps",
              .minimum = 1,
              .maximum = 1 << 20});
  fields.add("clip_norm", clip_norm,
             {.help = "largest norm of all gradients together; 0 = no clipping", .minimum = 0});
  fields.add("seed", seed, {.help = "seed of weights, shuffling and dropout", .minimum = 0});
  fields.add("threads", threads,
             {.help = "threads; 0 = as many as there are cores for this process",
              .minimum = 0,
              .maximum = 1024});
  fields.add("log_every", log_every, {.help = "steps between two log lines", .minimum = 1});
}

void OptimizerSettings::list(FieldList& fields) {
  fields.add("kind", kind, kOptimizerNames, {.help = "optimizer"});
  fields.add("learning_rate", learning_rate,
             {.help = "peak learning rate", .minimum = 0, .above_minimum = true});
  fields.add("beta1", beta1,
             {.help = "adamw: decay of the first moment",
              .minimum = 0,
              .maximum = 1,
              .below_maximum = true});
  fields.add("beta2", beta2,
             {.help = "adamw: decay of the second moment",
              .minimum = 0,
              .maximum = 1,
              .below_maximum = true});
  fields.add("epsilon", epsilon,
             {.help = "adamw: added to the denominator", .minimum = 0, .above_minimum = true});
  fields.add("momentum", momentum,
             {.help = "sgd: momentum", .minimum = 0, .maximum = 1, .below_maximum = true});
  fields.add("weight_decay", weight_decay, {.help = "decoupled decay of matrices", .minimum = 0});
}

void ScheduleSettings::list(FieldList& fields) {
  fields.add("lr_scheduler", lr_scheduler, optim::kScheduleNames,
             {.help = "course of the learning rate after the warm-up"});
  fields.add("warmup_steps", warmup_steps, {.help = "steps of linear warm-up", .minimum = 0});
  fields.add("min_learning_rate", min_learning_rate,
             {.help = "where the course ends", .minimum = 0});
  fields.add("step_every", step_every,
             {.help = "step: steps between two reductions", .minimum = 1});
  fields.add(
      "step_factor", step_factor,
      {.help = "step: factor of a reduction", .minimum = 0, .maximum = 1, .above_minimum = true});
  fields.add(
      "decay_share", decay_share,
      {.help = "wsd: share of the steps, at the end, that decays", .minimum = 0, .maximum = 1});
}

void EvaluationSettings::list(FieldList& fields) {
  fields.add("every", every,
             {.help = "steps between evaluations on held-out text; the end is always evaluated",
              .minimum = 1});
  fields.add("windows", windows,
             {.help = "held-out windows per evaluation; 0 = all", .minimum = 0});
  fields.add(
      "patience", patience,
      {.help = "stop after so many evaluations without improvement; 0 = never", .minimum = 0});
}

void CheckpointSettings::list(FieldList& fields) {
  fields.add("every", every,
             {.help = "steps between checkpoints; the end is always saved", .minimum = 1});
  fields.add("keep", keep,
             {.help = "newest checkpoints to keep; the best is kept beside them", .minimum = 1});
}

void SampleSettings::list(FieldList& fields) {
  fields.add("every", every, {.help = "steps between samples; 0 = none", .minimum = 0});
  fields.add("prompt", prompt, {.help = "beginning of every sample"});
  fields.add("tokens", tokens,
             {.help = "length of a sample", .unit = "tokens", .minimum = 1, .maximum = 1 << 20});
}

void RunSettings::bind(SettingsBinder& binder) {
  binder.add_section("model", model, "what the network looks like");
  binder.add_section("tokenizer", tokenizer, "how text becomes tokens");
  binder.add_section("data", data, "what it learns from");
  binder.add_section("train", train, "how long and how wide");
  binder.add_section("optimizer", optimizer, "how weights follow gradients");
  binder.add_section("schedule", schedule, "how the learning rate changes");
  binder.add_section("evaluation", evaluation, "how it is judged on held-out text");
  binder.add_section("checkpoint", checkpoint, "when it is saved");
  binder.add_section("sample", sample, "samples during training");
  binder.add_section("sampling", sampling, "how tokens are drawn");
}

optim::Schedule RunSettings::learning_rate_schedule() const {
  return {.kind = schedule.lr_scheduler,
          .peak = optimizer.learning_rate,
          .minimum = schedule.min_learning_rate,
          .warmup_steps = schedule.warmup_steps,
          .total_steps = train.steps,
          .step_every = schedule.step_every,
          .step_factor = schedule.step_factor,
          .wsd_decay_share = schedule.decay_share};
}

void RunSettings::validate_training() const {
  if (schedule.lr_scheduler != optim::ScheduleKind::kConstant &&
      schedule.min_learning_rate > optimizer.learning_rate)
    throw Error(ErrorKind::kUsage, "schedule.min_learning_rate",
                fmt::format("{} is above optimizer.learning_rate = {}", schedule.min_learning_rate,
                            optimizer.learning_rate),
                "lower it or raise the peak");
}

void RunSettings::validate() const {
  validate_training();
  if (data.stories > 0 && !(data.train.empty() && data.validation.empty()))
    throw Error(ErrorKind::kUsage, "data.stories",
                "the built-in corpus cannot be mixed with other texts",
                "drop data.stories or the texts");
  if (data.stories == 0 && data.train.empty())
    throw Error(ErrorKind::kUsage, "data.train", "there is nothing to learn from",
                "give --data PATH, or --data stories for the built-in corpus");
}

}  // namespace cllm
