// Makers of keys (config_keys.h) whose values are of a common kind, and values as TOML text.
//
// `Place` is a place in the configuration, a const one too: [](auto& c) -> auto& { return c.x; }.
//
// Pure; any thread.
#pragma once

#include <fmt/format.h>

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <type_traits>
#include <utility>
#include <vector>

#include "base/time.h"
#include "daemon/config_keys.h"

namespace blobd::daemon {

// One line, always the same for the same value, with nothing in it that could drive a terminal.
std::string ToToml(const toml::node& node);
std::string TextToToml(std::string_view text);
std::string ListToToml(const std::vector<std::string>& texts);

inline Status Expected(std::string_view what) { return InvalidArgument("expected {}", what); }

// The texts of a list; nullopt if it is no list of at most `limit` texts.
std::optional<std::vector<std::string>> TextsOf(const toml::node& node, size_t limit);

// A key that is read by `apply`, whose value by default is `by_default`.
template <typename Place>
ConfigKey Key(std::string valid, std::string by_default, Place place,
              std::function<Status(const toml::node&, Config*)> apply) {
  ConfigKey key;
  key.valid = std::move(valid);
  key.apply = std::move(apply);
  key.by_default = [by_default = std::move(by_default)](const Config&) { return by_default; };
  key.copy = [place](const Config& from, Config* to) { place(*to) = place(from); };
  return key;
}

template <typename Place>
ConfigKey Text(Place place) {
  ConfigKey key =
      Key("a text in quotes", "", place, [place](const toml::node& node, Config* config) {
        const auto value = node.value_exact<std::string>();
        if (!value) return Expected("a text in quotes");
        place(*config) = *value;
        return OkStatus();
      });
  key.by_default = [place](const Config& defaults) { return TextToToml(place(defaults)); };
  key.is_text = true;
  return key;
}

template <typename Place>
ConfigKey Flag(Place place) {
  ConfigKey key = Key("true or false", "", place, [place](const toml::node& node, Config* config) {
    const auto value = node.value_exact<bool>();
    if (!value) return Expected("true or false");
    place(*config) = *value;
    return OkStatus();
  });
  key.by_default = [place](const Config& defaults) { return fmt::format("{}", place(defaults)); };
  return key;
}

// A whole number of units between `low` and `high`, where one unit is so many of the place's, or,
// of a place that is a duration, so long.
template <typename Unit, typename Place>
ConfigKey Number(int64_t low, int64_t high, Unit unit, Place place) {
  using Value = std::remove_cvref_t<decltype(place(std::declval<Config&>()))>;
  const std::string valid = fmt::format("a whole number from {} to {}", low, high);
  ConfigKey key = Key(valid, "", place, [=](const toml::node& node, Config* config) {
    const auto value = node.value_exact<int64_t>();
    if (!value || *value < low || *value > high) return Expected(valid);
    if constexpr (std::is_same_v<Value, Duration>) {
      place(*config) = *value * Duration(unit);
    } else {
      place(*config) = static_cast<Value>(*value) * static_cast<Value>(unit);
    }
    return OkStatus();
  });
  key.by_default = [=](const Config& defaults) {
    return std::to_string(place(defaults) / static_cast<Value>(unit));
  };
  return key;
}

// Bytes of a text such as "20GB" or "1.5 GiB", or "0"; nullopt: it is no size.
std::optional<uint64_t> ParseBytes(std::string_view text);

// A number of bytes up to `high`: a whole number, or a text that has a unit.
template <typename Place>
ConfigKey Bytes(int64_t high, Place place) {
  const std::string valid = fmt::format(
      "a size from 0 to {} bytes, as in 20000000000, \"20GB\" or \"20GiB\" (with a unit at most "
      "1000TB)",
      high);
  ConfigKey key = Key(valid, "", place, [=](const toml::node& node, Config* config) {
    std::optional<uint64_t> bytes;
    if (const auto number = node.value_exact<int64_t>(); number && *number >= 0) {
      bytes = static_cast<uint64_t>(*number);
    } else if (const auto text = node.value_exact<std::string>()) {
      bytes = ParseBytes(*text);
    }
    if (!bytes || *bytes > static_cast<uint64_t>(high)) return Expected(valid);
    place(*config) = *bytes;
    return OkStatus();
  });
  key.by_default = [place](const Config& defaults) { return std::to_string(place(defaults)); };
  key.is_text = true;
  key.is_number = true;
  return key;
}

inline ConfigKey Live(ConfigKey key) {
  key.is_live = true;
  return key;
}

inline ConfigKey Secret(Secrecy secrecy, ConfigKey key) {
  key.secrecy = secrecy;
  return key;
}

}  // namespace blobd::daemon
