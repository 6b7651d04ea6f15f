#include "cli/settings_options.h"

#include "base/error.h"
#include "base/file.h"
#include "base/settings_text.h"

namespace cllm::cli {
namespace {

// Bytes of stories for `--data stories`: enough that a demo-sized model does not see one twice
// within a few minutes.
constexpr int64_t kStoryBytes = 8 << 20;

// The one word for the built-in corpus: --data stories.
constexpr const char* kStories = "stories";

struct Flag {
  const char* name;
  const char* key;
};

constexpr Flag kFlags[] = {
    {"--steps", "train.steps"},
    {"--batch-size", "train.batch_size"},
    {"--context-length", "model.context_length"},
    {"--gradient-accumulation-steps", "train.gradient_accumulation_steps"},
    {"--learning-rate", "optimizer.learning_rate"},
    {"--lr-scheduler", "schedule.lr_scheduler"},
    {"--threads", "train.threads"},
    {"--seed", "train.seed"},
    {"--tokenizer", "tokenizer.path"},
    {"--init", "train.init"},
};

}  // namespace

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

void SettingsOptions::add_to(CLI::App& command) {
  add_data_option(command, data);
  command
      .add_option("--preset", preset,
                  fmt::format("shape of the model: {}", fmt::join(model_preset_names(), ", ")))
      ->type_name("NAME");
  command.add_option("--config", config, "settings file")->type_name("FILE.toml");
  command.add_option("--set", assignments, "any setting; `cllm help settings` lists them")
      ->type_name("SECTION.KEY=VALUE")
      ->allow_extra_args(false);
  RunSettings settings;
  SettingsBinder binder;
  settings.bind(binder);
  for (const Flag& flag : kFlags)
    flags.add(command, flag.name, setting(binder, flag.key));
}

void SettingsOptions::apply(RunSettings& settings, SettingsBinder& binder) const {
  if (!preset.empty()) apply_preset(preset, binder);
  if (!config.empty()) binder.apply_file(config);
  binder.apply_environment();
  for (const std::string& assignment : assignments)
    binder.apply_assignment(assignment);
  flags.apply(binder);
  if (!data.empty()) apply_data(data, settings);
}

GivenSettings given_in(const SettingsBinder& binder) {
  return [&binder](const std::string& key) { return binder.origin(key) != "default"; };
}

CLI::Option* add_data_option(CLI::App& command, std::vector<std::string>& data) {
  return command
      .add_option("--data", data,
                  "texts: files, folders, - for standard input, .bin or .tok token files, a folder "
                  "of `cllm data prepare`, or the word stories")
      ->type_name("PATH");
}

void apply_data(const std::vector<std::string>& data, RunSettings& settings) {
  if (data.size() == 1 && data[0] == kStories && !fs::exists(kStories)) {
    settings.data.train.clear();
    if (settings.data.stories == 0) settings.data.stories = kStoryBytes;
  } else {
    settings.data.train = data;
    settings.data.stories = 0;
  }
}

}  // namespace cllm::cli
