// The data of the built-in corpus, in the notation of story_rules.h.
#pragma once

#include <string_view>

namespace cllm::story {

extern const std::string_view kWords;         // categories and variables
extern const std::string_view kCommonBeats;   // openings, endings, the list of plots
extern const std::string_view kHomePlots;     // plots at home and with friends
extern const std::string_view kOutdoorPlots;  // plots out of doors and with animals

}  // namespace cllm::story
