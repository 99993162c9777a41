#include "client/doctor_daemon.h"
#include "client/words.h"

#include <fmt/format.h>

#include <algorithm>
#include <map>

#include "base/units.h"

namespace blobd::client {
namespace {

using std::chrono::milliseconds;
using std::chrono::minutes;

void JudgeVersion(const v1::StatusResponse& status, const std::string& version, WallTime now,
                  Findings* findings) {
  const Duration up = now - WallTime{status.started_unix_ms()};
  if (up < -minutes(1)) {
    findings->push_back(
        Warning("daemon",
                fmt::format("blobd {} answers, and started {} from now: the clock was set back",
                            status.version(), FormatDuration(-up)),
                "restart it, if what it says of times is to be right"));
  } else if (status.version() != version) {
    findings->push_back(
        Warning("daemon", fmt::format("blobd is version {}, blobctl {}", status.version(), version),
                "if blobd was just replaced, restart it: \"systemctl restart blobd\""));
  } else {
    findings->push_back(
        Well("daemon", fmt::format("blobd {} answers, up for {}", version,
                                   FormatDuration(std::max(Duration::zero(), up)))));
  }
}

void JudgeState(const v1::StatusResponse& status, Findings* findings) {
  const size_t before = findings->size();
  if (!status.degraded().empty()) {
    findings->push_back(
        Problem("state", "it only serves what it has, and takes nothing new: " + status.degraded(),
                "its journal says more: \"journalctl -u blobd\""));
  }
  if (status.state() == "draining") {
    findings->push_back(Warning("state", "it is draining and takes nothing new",
                                "restart it to let it go on: \"systemctl restart blobd\""));
  }
  if (status.everything_paused()) {
    findings->push_back(Warning("state", "an administrator paused all downloads",
                                "let them go on: \"blobctl resume --everything\""));
  }
  // They are sentences that say what to do themselves.
  for (const std::string& warning : status.warnings())
    findings->push_back(Warning("state", warning, "it says so itself, above"));
  if (findings->size() == before) {
    findings->push_back(
        Well("state", fmt::format("it is {}, with {}", status.state(),
                                  Counted(status.unfinished_requests(), "unfinished request"))));
  }
}

void JudgeDisk(const v1::StatusResponse& status, Findings* findings) {
  const v1::DiskStatus& disk = status.disk();
  const std::string room = fmt::format(
      "{} of {} are free for {}, of which {} are kept in reserve", FormatSize(disk.free_bytes()),
      FormatSize(disk.total_bytes()), status.state_directory(),
      FormatSize(std::min(disk.free_bytes(), disk.reserve_bytes())));
  const std::string make_room =
      "make room: \"blobctl gc --dry-run\" says what would go, \"blobctl gc\" removes it";
  if (disk.condition() == v1::DISK_CONDITION_READ_ONLY) {
    findings->push_back(Problem("disk", disk.reason(), "make the file system writable again"));
  } else if (disk.condition() == v1::DISK_CONDITION_FULL) {
    findings->push_back(Problem("disk", disk.reason(), make_room));
  } else if (disk.free_bytes() < disk.reserve_bytes() + disk.admitted_bytes()) {
    findings->push_back(Warning("disk",
                                fmt::format("{}, and {} are promised to downloads", room,
                                            FormatSize(disk.admitted_bytes())),
                                make_room));
  } else {
    findings->push_back(Well("disk", room));
  }
}

void JudgeLookup(const v1::StatusResponse& status, Findings* findings) {
  std::string names;
  for (const v1::LookupService& service : status.lookup_services()) {
    names += (names.empty() ? "" : ", ") + service.name();
    if (!service.off().empty()) {
      findings->push_back(
          Warning("lookup", fmt::format("{} cannot be had: {}", service.name(), service.off()),
                  "see [lookup] in blobd.toml(5)"));
    } else if (const uint64_t bad = service.failed() + service.timed_out();
               bad > 0 && bad == service.asked()) {
      findings->push_back(Warning(
          "lookup",
          fmt::format("{} has never answered, of {} times: {}", service.name(), service.asked(),
                      service.last_error().empty() ? "it was too late" : service.last_error()),
          "see whether this machine may reach it"));
    }
    if (!service.publish_error().empty()) {
      findings->push_back(Warning("lookup",
                                  fmt::format("{} does not take what we say of ourselves: {}",
                                              service.name(), service.publish_error()),
                                  "others find this node by its address only, until that works"));
    }
  }
  if (names.empty()) {
    findings->push_back(Well("lookup",
                             "no lookup service is on: nodes are reached where tickets "
                             "and people say"));
  } else if (findings->empty() || findings->back().check != "lookup") {
    findings->push_back(
        Well("lookup", names + (names.find(',') == std::string::npos ? " is on, and does well"
                                                                     : " are on, and do well")));
  }
}

// TOML strings as we write them: in double quotes, with nothing to unescape in names.
std::string Unquoted(const std::string& toml) {
  return toml.size() >= 2 && toml.front() == '"' && toml.back() == '"'
             ? toml.substr(1, toml.size() - 2)
             : toml;
}

std::string HostOf(const std::string& url) {
  const size_t scheme = url.find("://");
  if (scheme == std::string::npos) return "";
  std::string host = url.substr(scheme + 3);
  host = host.substr(0, host.find_first_of("/?#"));
  if (const size_t user = host.rfind('@'); user != std::string::npos) host = host.substr(user + 1);
  return host.starts_with("[") ? "" : host.substr(0, host.find(':'));
}

// An IPv4 address needs no DNS.
bool IsName(const std::string& host) {
  return host.find_first_not_of("0123456789.") != std::string::npos;
}

}  // namespace

Findings JudgeDaemon(const v1::StatusResponse& status, const std::string& version, WallTime now) {
  Findings findings;
  JudgeVersion(status, version, now, &findings);
  JudgeState(status, &findings);
  JudgeDisk(status, &findings);
  JudgeLookup(status, &findings);
  return findings;
}

std::vector<std::string> LookedUpNames(const v1::GetConfigResponse& lookup) {
  std::map<std::string, std::string> values;
  for (const v1::ConfigValue& value : lookup.values()) values[value.key()] = value.value();
  std::vector<std::string> names;
  const auto add = [&names](const std::string& host) {
    if (!host.empty() && IsName(host) && std::find(names.begin(), names.end(), host) == names.end())
      names.push_back(host);
  };
  const std::string& servers = values["lookup.dns_servers"];
  const bool own_servers = servers.find('"') != std::string::npos;
  if (values["lookup.dns"] == "true" && !own_servers) add(Unquoted(values["lookup.dns_origin"]));
  if (values["lookup.pkarr"] == "true") add(HostOf(Unquoted(values["lookup.pkarr_relay"])));
  return names;
}

}  // namespace blobd::client
