#include "cli/settings_options.h"

#include "base/error.h"
#include "base/file.h"
#include "base/settings_text.h"

namespace cllm::cli {
namespace {

// Bytes of stories for `--data stories`: enough that a demo-sized model does not see one twice
// within a few minutes.
constexpr int64_t kStoryBytes = 8 << 20;

struct Flag {
  const char* name;
  const char* key;
  const char* help;
};

constexpr Flag kFlags[] = {
    {"--steps", "train.steps", "optimizer steps"},
    {"--batch-size", "train.batch_size", "sequences per batch"},
    {"--context-length", "model.context_length", "tokens per sequence"},
    {"--gradient-accumulation-steps", "train.gradient_accumulation_steps",
     "batches per optimizer step"},
    {"--learning-rate", "optimizer.learning_rate", "peak learning rate"},
    {"--lr-scheduler", "schedule.lr_scheduler", "constant, linear, cosine, step or wsd"},
    {"--threads", "train.threads", "threads; 0 = one per core"},
    {"--seed", "train.seed", "seed of weights, shuffling and dropout"},
    {"--tokenizer", "tokenizer.path", "an existing tokenizer to use"},
};

// A preset is its model's settings, one by one, so that the user's own settings of the same keys
// win.
void apply_preset(const std::string& name, SettingsBinder& binder) {
  ModelConfig config = model_preset(name);
  FieldList fields;
  config.list(fields);
  for (const Field& field : fields.fields())
    binder.apply_text("[model]\n" + field.name() + " = " + toml_literal(field.value()) + "\n",
                      "--preset " + name, SettingSource::kPreset);
}

}  // namespace

void SettingsOptions::add_to(CLI::App& command) {
  command
      .add_option("--data", data,
                  "texts: files, folders, - for standard input, .bin token files, or 'stories'")
      ->type_name("PATH...");
  command.add_option("--preset", preset, "demo, nano, baby, gpt2 or llama-15m")->type_name("NAME");
  command.add_option("--config", config, "settings file (TOML)")->type_name("FILE");
  command.add_option("--set", assignments, "any setting; see `cllm help settings`")
      ->type_name("SECTION.KEY=VALUE")
      ->allow_extra_args(false);
  for (const Flag& flag : kFlags)
    command.add_option_function<std::string>(
        flag.name, [this, key = flag.key](const std::string& value) { flags[key] = value; },
        flag.help);
}

void SettingsOptions::apply(RunSettings& settings, SettingsBinder& binder) const {
  if (!preset.empty()) apply_preset(preset, binder);
  if (!config.empty()) binder.apply_file(config);
  binder.apply_environment();
  for (const std::string& assignment : assignments)
    binder.apply_assignment(assignment);
  for (const Flag& flag : kFlags)
    if (const auto it = flags.find(flag.key); it != flags.end())
      binder.set(flag.key, it->second, flag.name, SettingSource::kFlag);
  if (data.size() == 1 && data[0] == kStories && !fs::exists(kStories)) {
    settings.data.train.clear();
    if (settings.data.stories == 0) settings.data.stories = kStoryBytes;
  } else if (!data.empty()) {
    settings.data.train = data;
    settings.data.stories = 0;
  }
}

}  // namespace cllm::cli
