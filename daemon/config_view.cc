#include "daemon/config_view.h"

#include <set>
#include <utility>

#include "daemon/config_keys.h"

namespace blobd::daemon {
namespace {

using rpc::Configuration;

Configuration::Origin ToOrigin(ConfigPlace::Kind kind) {
  switch (kind) {
    case ConfigPlace::Kind::kDefault:
      return Configuration::Origin::kDefault;
    case ConfigPlace::Kind::kFile:
      return Configuration::Origin::kFile;
    case ConfigPlace::Kind::kEnvironment:
      return Configuration::Origin::kEnvironment;
    case ConfigPlace::Kind::kCommandLine:
      return Configuration::Origin::kCommandLine;
  }
  return Configuration::Origin::kDefault;
}

std::string ValueIn(const Config& config, const std::string& name, const ConfigKey& key) {
  const auto written = config.written.find(name);
  return written == config.written.end() ? key.by_default(config) : written->second.value;
}

// Those of origins are there as far as somebody wrote them.
std::set<std::string> NamesIn(const Config& running, const Config& read) {
  std::set<std::string> names;
  for (const auto& [name, key] : AllKeys())
    if (name.find('*') == std::string::npos) names.insert(name);
  for (const Config* config : {&running, &read})
    for (const auto& [name, value] : config->written) names.insert(name);
  return names;
}

}  // namespace

Configuration::Listing ViewOf(const Config& running, const Config& read, const std::string& prefix,
                              bool changed_only) {
  const Config defaults = DefaultConfig();
  const std::string table = prefix + ".";
  Configuration::Listing listing;
  listing.files = read.files;
  for (const std::string& name : NamesIn(running, read)) {
    if (!prefix.empty() && name != prefix && !name.starts_with(table)) continue;
    const ConfigKey* key = FindKey(name);
    if (key == nullptr) continue;
    Configuration::Value view;
    view.key = name;
    view.value = ValueIn(running, name, *key);
    view.default_value = key->by_default(defaults);
    if (changed_only && view.value == view.default_value) continue;
    if (const auto written = running.written.find(name); written != running.written.end()) {
      const ConfigPlace& place = written->second.place;
      view.origin = ToOrigin(place.kind);
      view.place = place.name;
      view.line = place.line;
    }
    view.is_live = key->is_live;
    std::string later = ValueIn(read, name, *key);
    view.is_secret = key->Hides(view.value) || key->Hides(later);
    if (later != view.value) view.after_restart = Shown(name, later);
    view.value = Shown(name, view.value);
    listing.values.push_back(std::move(view));
  }
  return listing;
}

}  // namespace blobd::daemon
