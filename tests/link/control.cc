#include "control.h"

#include <unistd.h>

#include <array>
#include <cerrno>
#include <cstdio>
#include <utility>

namespace blobd::link {
namespace {

constexpr size_t kLineBytesMax = 4096;

bool WriteAll(int fd, std::string_view text) {
  while (!text.empty()) {
    const ssize_t written = write(fd, text.data(), text.size());
    if (written < 0 && errno == EINTR) continue;
    if (written <= 0) return false;
    text.remove_prefix(static_cast<size_t>(written));
  }
  return true;
}

// One line, whatever a message has in it.
std::string OneLine(std::string text) {
  for (char& c : text) {
    if (static_cast<unsigned char>(c) < ' ') c = ' ';
  }
  return text + "\n";
}

}  // namespace

Status Control::LoadScript(std::istream& script) {
  std::multimap<Duration, Command> commands;
  std::string line;
  for (int number = 1; std::getline(script, line); ++number) {
    StatusOr<std::optional<TimedCommand>> parsed = ParseCommand(line);
    if (!parsed.ok()) return Annotate(parsed.status(), fmt::format("line {}", number));
    if (!*parsed) continue;
    commands.emplace((*parsed)->at.value_or(Duration::zero()), std::move((*parsed)->command));
  }
  if (script.bad()) return Internal("cannot be read");
  script_.merge(commands);
  return OkStatus();
}

bool Control::Run(int in, int out) {
  const bool has_script = !script_.empty();
  const Instant begun = SystemClock().Now();
  for (auto& [at, command] : script_) timed_.emplace(begun + at, std::move(command));
  script_.clear();

  while (!emulator_.has_quit()) {
    if (!ExecuteDue(SystemClock().Now())) return false;
    if (emulator_.has_quit()) break;
    const Instant deadline = timed_.empty() ? Instant::Max() : timed_.begin()->first;
    if (emulator_.RunUntil(deadline, in) == Emulator::Wake::kDeadline) continue;
    if (!ReadLines(in, out)) {
      if (!has_script) break;
      in = -1;
    }
    if (out_failed_) return false;
  }
  return true;
}

bool Control::ExecuteDue(Instant now) {
  while (!timed_.empty() && timed_.begin()->first <= now && !emulator_.has_quit()) {
    const auto node = timed_.extract(timed_.begin());
    const StatusOr<std::string> done = emulator_.Execute(node.mapped());
    if (!done.ok()) {
      std::fprintf(stderr, "blobd_link: %s\n", Message(done.status()).c_str());
      return false;
    }
    if (!done->empty()) {
      std::fputs(OneLine(*done).c_str(), stdout);
      std::fflush(stdout);
    }
  }
  return true;
}

bool Control::ReadLines(int in, int out) {
  std::array<char, 4096> buffer;
  const ssize_t size = read(in, buffer.data(), buffer.size());
  if (size < 0 && (errno == EINTR || errno == EAGAIN)) return true;
  if (size <= 0) return false;
  unfinished_line_.append(buffer.data(), static_cast<size_t>(size));
  size_t begin = 0;
  for (size_t end = 0; (end = unfinished_line_.find('\n', begin)) != std::string::npos;
       begin = end + 1) {
    const std::string_view line(unfinished_line_.data() + begin, end - begin);
    if (!WriteAll(out, OneLine(Answer(line)))) out_failed_ = true;
    if (emulator_.has_quit() || out_failed_) return true;
  }
  unfinished_line_.erase(0, begin);
  // Somebody else than a test speaks to us.
  return unfinished_line_.size() <= kLineBytesMax;
}

std::string Control::Answer(std::string_view line) {
  if (line.size() > kLineBytesMax) return "error the line is too long";
  StatusOr<std::optional<TimedCommand>> parsed = ParseCommand(line);
  if (!parsed.ok()) return "error " + Message(parsed.status());
  if (!*parsed) return "ok";
  if ((*parsed)->at) {
    // Its answer would come between those to other lines.
    if (std::holds_alternative<ReportStats>((*parsed)->command))
      return "error stats are for now, or for a script";
    timed_.emplace(SystemClock().Now() + *(*parsed)->at, std::move((*parsed)->command));
    return "ok";
  }
  const StatusOr<std::string> done = emulator_.Execute((*parsed)->command);
  if (!done.ok()) return "error " + Message(done.status());
  return done->empty() ? "ok" : "ok " + *done;
}

}  // namespace blobd::link
