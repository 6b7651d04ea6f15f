#include "formats/header_json.h"

#include <fmt/format.h>

#include <set>
#include <vector>

#include "base/error.h"

namespace cllm {
namespace {

using nlohmann::json;

constexpr int kMaxDepth = 8;

}  // namespace

std::string quote_name(std::string_view name) {
  constexpr size_t kShown = 200;  // a hostile name must not fill the screen
  const bool cut = name.size() > kShown;
  const json text = std::string(name.substr(0, kShown)) + (cut ? "..." : "");
  return text.dump(-1, ' ', false, json::error_handler_t::replace);
}

json parse_header_json(std::string_view text, const std::string& where) {
  std::vector<std::set<std::string>> keys;  // of every open object or array
  const auto watch = [&](int, json::parse_event_t event, json& value) {
    switch (event) {
      case json::parse_event_t::object_start:
      case json::parse_event_t::array_start:
        keys.emplace_back();
        if (keys.size() > kMaxDepth)
          throw Error(ErrorKind::kData, where, "the JSON header is nested too deeply",
                      "the file is damaged; get a fresh copy");
        break;
      case json::parse_event_t::object_end:
      case json::parse_event_t::array_end:
        keys.pop_back();
        break;
      case json::parse_event_t::key:
        if (!keys.back().insert(value.get_ref<const std::string&>()).second)
          throw Error(ErrorKind::kData, where,
                      fmt::format("key {} occurs twice in the JSON header",
                                  quote_name(value.get_ref<const std::string&>())),
                      "the file is damaged; get a fresh copy");
        break;
      case json::parse_event_t::value:
        break;
    }
    return true;
  };
  try {
    return json::parse(text, watch);
  } catch (const json::parse_error& error) {
    throw Error(ErrorKind::kData, where,
                fmt::format("the JSON header is not valid at its byte {}", error.byte),
                "the file is damaged; get a fresh copy");
  } catch (const json::exception&) {
    throw Error(ErrorKind::kData, where, "the JSON header holds a number out of range",
                "the file is damaged; get a fresh copy");
  }
}

}  // namespace cllm
