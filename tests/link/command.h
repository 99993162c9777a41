// Commands: the language that tests speak with blobd_link, one command per line. README.md lists
// it.
//
// Thread: any; pure.
// Errors: kInvalidArgument with what is wrong. A line that is refused has changed nothing.
#pragma once

#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "base/status.h"
#include "base/time.h"
#include "link_spec.h"
#include "settings.h"

namespace blobd::link {

// Which directions of a link are meant.
struct Directions {
  bool a_to_b = true;
  bool b_to_a = true;
};

struct MakeLink {
  LinkSpec spec;
};
struct ChangeSettings {
  std::string link;
  Directions directions;
  std::vector<std::function<void(Settings&)>> changes;
};
struct SetDark {
  std::string link;
  Directions directions;
  bool dark;
};
struct ReportStats {
  std::string link;
};
struct Quit {};
using Command = std::variant<MakeLink, ChangeSettings, SetDark, ReportStats, Quit>;

struct TimedCommand {
  std::optional<Duration> at;  // after the line was read, or the script begun; unset: at once
  Command command;
};

// nullopt for an empty line or a comment, which begins with '#'.
StatusOr<std::optional<TimedCommand>> ParseCommand(std::string_view line);

}  // namespace blobd::link
