// blobd: the daemon's command line.
#include <fmt/format.h>
#include <malloc.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include <absl/synchronization/mutex.h>

#include <CLI/CLI.hpp>
#include <cstdio>
#include <optional>
#include <string>
#include <utility>

#include "base/table_key.h"
#include "daemon/config.h"
#include "daemon/config_files.h"
#include "daemon/config_values.h"
#include "daemon/environment.h"
#include "daemon/last_words.h"
#include "daemon/log_sink.h"
#include "daemon/node.h"
#include "daemon/state_dir.h"
#include "daemon/version.h"
#include "registry/backup.h"

#if defined(__SANITIZE_ADDRESS__)
#include <sanitizer/lsan_interface.h>
#endif

namespace blobd::daemon {
namespace {

constexpr int kExitFailed = 1;
constexpr int kExitUsage = 2;  // also a configuration that cannot be used
// Another try will not help: a registry of a newer version, a state directory of others. The unit
// does not start the daemon again after these two.
constexpr int kExitRefused = 3;

struct Arguments {
  std::string config_file;
  std::optional<std::string> state_dir;
  std::optional<std::string> socket;
  std::optional<std::string> listen;
  std::optional<std::string> serve;
  std::optional<std::string> log_level;
  bool check_config = false;
  std::string restore_registry;
};

// What the unit asks for, also where nobody does: nothing that is made is for others, and the
// node's key, which is in memory, gets into no core file and to no other process of the same user.
void KeepToOurselves() {
  umask(077);
  rlimit cores{};
  getrlimit(RLIMIT_CORE, &cores);
  cores.rlim_cur = 0;
  setrlimit(RLIMIT_CORE, &cores);
  prctl(PR_SET_DUMPABLE, 0);  // what a program is piped into does not mind the limit
}

// The buffers of transfers come and go in megabytes, thousands of times a second. By default the
// heap returns each of them to the kernel and has it cleared again for the next: a tenth of the
// network loop's time.
void KeepFreedMemory() {
  mallopt(M_TRIM_THRESHOLD, 4 << 20);  // of each of its arenas: about one per thread
  mallopt(M_MMAP_THRESHOLD, 4 << 20);
}

StatusOr<Config> MakeConfig(const Arguments& arguments) {
  Config config = DefaultConfig();
  BLOBD_RETURN_IF_ERROR(ReadConfigFiles(arguments.config_file, &config));
  BLOBD_RETURN_IF_ERROR(ApplyEnvironment(ProcessEnvironment(), &config));
  const auto apply = [&config](const char* key, const std::string& toml, const char* option) {
    return ApplyOne(key, toml, {ConfigPlace::Kind::kCommandLine, option, 0}, &config);
  };
  const struct {
    const char* key;
    const char* option;
    const std::optional<std::string>& value;
  } texts[] = {{"state_dir", "--state-dir", arguments.state_dir},
               {"socket", "--socket", arguments.socket},
               {"serve.mode", "--serve", arguments.serve},
               {"log_level", "--log-level", arguments.log_level}};
  for (const auto& [key, option, value] : texts)
    if (value) BLOBD_RETURN_IF_ERROR(apply(key, TextToToml(*value), option));
  if (arguments.listen) {
    if (!SocketAddress::Parse(*arguments.listen))
      return InvalidArgument("--listen: \"{}\" is no address: IP:PORT or [IPV6]:PORT",
                             *arguments.listen);
    BLOBD_RETURN_IF_ERROR(apply("listen", ListToToml({*arguments.listen}), "--listen"));
  }
  return config;
}

// Brings a backup of the registry back, while no daemon has the state directory.
int Restore(const Config& config, const std::string& backup) {
  const auto state_dir = StateDir::Lock(config.state_dir);
  Status status = state_dir.status();
  if (state_dir.ok()) {
    status =
        registry::RestoreRegistry(backup, state_dir->File("registry.db"), SystemClock().WallNow());
  }
  if (!status.ok()) {
    fmt::print(stderr, "blobd: the registry is not restored: {}\n", Message(status));
    return kExitFailed;
  }
  fmt::print("{} is the registry now; what was there is kept beside it.\n", backup);
  return 0;
}

int Run(const Arguments& arguments) {
  const auto config = MakeConfig(arguments);
  if (!config.ok()) {
    fmt::print(stderr, "blobd: {}\n", Message(config.status()));
    return kExitUsage;
  }
  if (arguments.check_config) {
    for (const std::string& warning : config->warnings) fmt::print(stderr, "blobd: {}\n", warning);
    fmt::print("The configuration is valid.\n");
    return 0;
  }
  if (!arguments.restore_registry.empty()) return Restore(*config, arguments.restore_registry);
  LogSink log(config->log_level);
  Status result;
  {
    auto node = Node::Open(
        *config, [&arguments] { return MakeConfig(arguments); }, log);
    result = node.ok() ? (*node)->Run() : node.status();
  }
  if (result.ok()) return 0;
  log.Write(engine::LogLevel::kError, "cannot run: " + Message(result));
  return result.code() == StatusCode::kFailedPrecondition ? kExitRefused : kExitFailed;
}

}  // namespace
}  // namespace blobd::daemon

int main(int argc, char** argv) {
  blobd::daemon::KeepToOurselves();
  blobd::daemon::SayLastWords(blobd::daemon::kExitFailed);
  blobd::daemon::KeepFreedMemory();
  blobd::ChooseTableKey();
  // Debian's Abseil looks for lock cycles at every lock of gRPC, under a lock that all share; it
  // costs 5 to 8 % of the calls per second, and the thread sanitizer looks for them in the tests.
  absl::SetMutexDeadlockDetectionMode(absl::OnDeadlockCycle::kIgnore);
  using blobd::daemon::Arguments;
  CLI::App app{"The machine's download daemon for immutable content. Runs in the foreground."};
  Arguments arguments;
  app.add_option("--config", arguments.config_file, "Read this file instead of the default one")
      ->type_name("FILE");
  app.add_option("--state-dir", arguments.state_dir, "Where blobs and databases are kept")
      ->type_name("DIR");
  app.add_option("--socket", arguments.socket, "The Unix socket to serve on")->type_name("PATH");
  app.add_option("--listen", arguments.listen, "The UDP address for QUIC; port 0: any")
      ->type_name("IP:PORT");
  app.add_option("--serve", arguments.serve, "Which other nodes may get what is here")
      ->check(CLI::IsMember({"anyone", "listed", "nobody"}))
      ->type_name("WHOM");
  app.add_option("--log-level", arguments.log_level, "Leave out what matters less than this")
      ->check(CLI::IsMember({"debug", "info", "notice", "warning", "error"}))
      ->type_name("LEVEL");
  app.add_option("--restore-registry", arguments.restore_registry,
                 "Take back a copy made by \"blobctl backup\", and end")
      ->type_name("FILE");
  app.add_flag("--check-config", arguments.check_config, "Only check the configuration");
  app.set_version_flag("--version", std::string("blobd ") + blobd::daemon::kVersion);
  try {
    app.parse(argc, argv);
  } catch (const CLI::ParseError& error) {
    return app.exit(error) == 0 ? 0 : blobd::daemon::kExitUsage;
  }
  const int code = blobd::daemon::Run(arguments);
  std::fflush(nullptr);
#if defined(__SANITIZE_ADDRESS__)
  __lsan_do_leak_check();
#endif
  // Everything of ours is closed and synced. gRPC's own clean-up at exit can hang for ten seconds.
  _exit(code);
}
