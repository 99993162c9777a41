// The socket, the clock and systemd as doctor_machine.h looks at them.
#include "client/doctor_machine.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <grp.h>
#include <poll.h>
#include <spawn.h>
#include <sys/stat.h>
#include <sys/timex.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <csignal>
#include <cstdlib>
#include <ctime>
#include <map>
#include <sstream>

#include "client/daemon_socket.h"
#include "client/descriptor.h"

extern char** environ;

namespace blobd::client {
namespace {

constexpr char kSystemSocket[] = "/run/blobd/blobd.sock";
// A clock that says so has never been set: 2024.
constexpr time_t kFirstSensible = 1'704'067'200;
constexpr int kMostMs = 5'000;

// "what is wrong; what to do", as daemon_socket.h says it.
Finding FromSentence(const std::string& sentence) {
  size_t cut = sentence.find("; ");
  if (cut == std::string::npos) cut = sentence.find(": ");
  if (cut == std::string::npos) return Problem("socket", sentence, "see --socket");
  return Problem("socket", sentence.substr(0, cut), sentence.substr(cut + 2));
}

Finding Right(const std::string& path) {
  struct stat facts {};
  if (stat(path.c_str(), &facts) != 0) return Well("group", "the socket may be used");
  if ((facts.st_mode & S_IWOTH) != 0) {
    return Warning("group", "everybody on this machine may use the socket",
                   fmt::format("\"chmod 660 {}\" keeps the others out", path));
  }
  if (facts.st_uid == geteuid()) return Well("group", "the socket is yours");
  if (geteuid() == 0) return Well("group", "you may use the socket as root");
  const group* owner = getgrgid(facts.st_gid);
  return Well("group", fmt::format("you may use the socket as a member of the group \"{}\"",
                                   owner == nullptr ? std::to_string(facts.st_gid)
                                                    : std::string(owner->gr_name)));
}

// What a program of the system writes; empty if it could not be run, failed, or took too long.
std::string OutputOf(const std::vector<std::string>& command) {
  std::array<int, 2> ends{};
  if (pipe2(ends.data(), O_CLOEXEC) != 0) return "";
  const Descriptor ours(ends[0]);
  Descriptor theirs(ends[1]);
  posix_spawn_file_actions_t actions;
  posix_spawn_file_actions_init(&actions);
  posix_spawn_file_actions_addopen(&actions, STDIN_FILENO, "/dev/null", O_RDONLY, 0);
  posix_spawn_file_actions_adddup2(&actions, theirs.get(), STDOUT_FILENO);
  posix_spawn_file_actions_addopen(&actions, STDERR_FILENO, "/dev/null", O_WRONLY, 0);
  std::vector<char*> words;
  for (const std::string& word : command) words.push_back(const_cast<char*>(word.c_str()));
  words.push_back(nullptr);
  pid_t child = -1;
  const int error = posix_spawnp(&child, words[0], &actions, nullptr, words.data(), environ);
  posix_spawn_file_actions_destroy(&actions);
  if (error != 0) return "";
  theirs = Descriptor();
  std::string output;
  std::array<char, 4096> piece{};
  pollfd readable{ours.get(), POLLIN, 0};
  bool ended = false;
  while (!ended && output.size() < (1 << 20) && poll(&readable, 1, kMostMs) > 0) {
    const ssize_t size = read(ours.get(), piece.data(), piece.size());
    if (size > 0) output.append(piece.data(), static_cast<size_t>(size));
    ended = size <= 0;
  }
  if (!ended) kill(child, SIGKILL);
  int status = 0;
  waitpid(child, &status, 0);
  return ended && WIFEXITED(status) && WEXITSTATUS(status) == 0 ? output : "";
}

}  // namespace

Findings CheckSocket(const std::string& path) {
  if (const int error = TryConnect(path); error != 0)
    return {FromSentence(Message(SocketError(path, error)))};
  return {Well("socket", path + " takes connections"), Right(path)};
}

Findings CheckClock() {
  if (std::time(nullptr) < kFirstSensible) {
    return {Problem("clock", "the clock says a time that is long gone",
                    "set it, and \"timedatectl set-ntp true\": no certificate is valid then")};
  }
  timex clock{};
  const int state = adjtimex(&clock);
  if (state < 0) return {};
  if (state == TIME_ERROR || (clock.status & STA_UNSYNC) != 0) {
    return {Warning("clock", "nothing keeps the clock right",
                    "\"timedatectl set-ntp true\", unless the host of this container does it")};
  }
  return {Well("clock", "the clock is kept right")};
}

std::optional<Finding> JudgeUnit(const std::string& name, std::string_view properties) {
  std::map<std::string, std::string> values;
  std::istringstream lines{std::string(properties)};
  for (std::string line; std::getline(lines, line);) {
    const size_t equals = line.find('=');
    if (equals != std::string::npos) values[line.substr(0, equals)] = line.substr(equals + 1);
  }
  if (values["LoadState"] != "loaded") return std::nullopt;
  const std::string& active = values["ActiveState"];
  if (active == "failed") {
    return Problem(
        "service", fmt::format("{} has failed ({})", name, values["Result"]),
        fmt::format("\"journalctl -u {0}\" says why; then \"systemctl restart {0}\"", name));
  }
  if (active == "activating" && values["SubState"] == "auto-restart") {
    return Problem("service", fmt::format("{} ends again and again ({})", name, values["Result"]),
                   fmt::format("\"journalctl -u {}\" says why", name));
  }
  return Well("service", fmt::format("{} is {}", name, active));
}

Findings CheckService(const std::string& path) {
  if (access("/run/systemd/system", F_OK) != 0) return {};
  std::vector<std::string> command = {"systemctl"};
  if (path != kSystemSocket) {
    // Somebody's own: of another daemon, that was started by hand, systemd knows nothing.
    const char* runtime = std::getenv("XDG_RUNTIME_DIR");
    if (runtime == nullptr || path != std::string(runtime) + "/blobd/blobd.sock") return {};
    command.emplace_back("--user");
  }
  Findings findings;
  for (const std::string name : {"blobd.socket", "blobd.service"}) {
    std::vector<std::string> show = command;
    for (const char* word :
         {"show", "--no-pager", "-p", "LoadState,ActiveState,SubState,Result", "--"})
      show.emplace_back(word);
    show.push_back(name);
    if (const auto finding = JudgeUnit(name, OutputOf(show))) findings.push_back(*finding);
  }
  return findings;
}

}  // namespace blobd::client
