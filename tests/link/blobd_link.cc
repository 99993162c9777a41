// blobd_link [--seed N] [--script FILE]: links between network namespaces. README.md says how.
#include <sched.h>
#include <sys/prctl.h>
#include <unistd.h>

#include <cerrno>
#include <charconv>
#include <cstdio>
#include <cstring>
#include <fstream>
#include <string>
#include <string_view>
#include <vector>

#include "control.h"

namespace {

using blobd::InvalidArgument;
using blobd::Status;
using blobd::StatusOr;

constexpr std::string_view kUsage = "usage: blobd_link [--seed N] [--script FILE]\n";

struct Options {
  uint64_t seed = 1;
  std::string script;
};

StatusOr<Options> ParseOptions(const std::vector<std::string_view>& arguments) {
  Options options;
  for (size_t i = 0; i < arguments.size(); i += 2) {
    if (i + 1 == arguments.size()) return InvalidArgument("{} wants a value", arguments[i]);
    const std::string_view value = arguments[i + 1];
    if (arguments[i] == "--seed") {
      const char* end = value.data() + value.size();
      const auto [rest, error] = std::from_chars(value.data(), end, options.seed);
      if (error != std::errc() || rest != end)
        return InvalidArgument("--seed wants a number, not {}", value);
    } else if (arguments[i] == "--script") {
      options.script = value;
    } else {
      return InvalidArgument("unknown argument {}", arguments[i]);
    }
  }
  return options;
}

}  // namespace

int main(int argc, char** argv) {
  const StatusOr<Options> options =
      ParseOptions(std::vector<std::string_view>(argv + 1, argv + argc));
  if (!options.ok()) {
    std::fprintf(stderr, "blobd_link: %s\n%s", blobd::Message(options.status()).c_str(),
                 kUsage.data());
    return 2;
  }
  // The link should not be slower because the programs at both ends are busy: it has its turn
  // before them, and timeouts to the nanosecond instead of 50 us. Without the right to that it
  // works less well on a busy machine.
  const sched_param first_of_all = {.sched_priority = 1};
  sched_setscheduler(0, SCHED_RR, &first_of_all);
  prctl(PR_SET_TIMERSLACK, 1ul);

  blobd::link::Control control(options->seed);
  if (!options->script.empty()) {
    std::ifstream script(options->script);
    if (!script) {
      std::fprintf(stderr, "blobd_link: %s: %s\n", options->script.c_str(), std::strerror(errno));
      return 2;
    }
    if (const Status loaded = control.LoadScript(script); !loaded.ok()) {
      std::fprintf(stderr, "blobd_link: %s: %s\n", options->script.c_str(),
                   blobd::Message(loaded).c_str());
      return 2;
    }
  }
  return control.Run(STDIN_FILENO, STDOUT_FILENO) ? 0 : 1;
}
