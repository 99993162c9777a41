#include "client/output.h"

#include <fmt/format.h>
#include <google/protobuf/util/json_util.h>

#include <sys/ioctl.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <map>

#include "base/time.h"
#include "base/units.h"
#include "base/utf8.h"
#include "client/exit_code.h"

namespace blobd::client {
namespace {

constexpr int kRed = 31;
constexpr int kGreen = 32;
constexpr int kYellow = 33;

[[noreturn]] void EndForOutput(std::string_view why, ExitCode code) {
  PrintError("blobctl: {}\n", why);
  _exit(code);
}

[[noreturn]] void EndForOutput(int error) {
  EndForOutput(fmt::format("cannot write to standard output: {}", std::strerror(error)),
               error == ENOSPC || error == EDQUOT ? kExitNoSpace : kExitFailed);
}

std::string ToJson(const google::protobuf::Message& message, bool pretty) {
  google::protobuf::util::JsonPrintOptions options;
  options.add_whitespace = pretty;
  options.always_print_primitive_fields = true;
  std::string json;
  const auto status = google::protobuf::util::MessageToJsonString(message, &json, options);
  if (!status.ok()) {
    EndForOutput("the answer cannot be written as JSON: " + EscapeForTerminal(status.ToString()),
                 kExitFailed);
  }
  if (json.empty() || json.back() != '\n') json += '\n';
  return json;
}

}  // namespace

void WriteOutput(std::string_view text) {
  if (std::fwrite(text.data(), 1, text.size(), stdout) != text.size()) EndForOutput(errno);
}

void FlushOutput() {
  if (std::fflush(stdout) != 0) EndForOutput(errno);
}

void WriteError(std::string_view text) {
  (void)std::fwrite(text.data(), 1, text.size(), stderr);
  (void)std::fflush(stderr);
}

void PrintJson(const Style& style, const google::protobuf::Message& message) {
  PrintOut("{}", ToJson(message, style.json == JsonForm::kPretty));
}

void PrintJsonLine(const google::protobuf::Message& message) {
  PrintOut("{}", ToJson(message, false));
  FlushOutput();
}

std::string JsonOf(const google::protobuf::Message& message) {
  std::string json = ToJson(message, false);
  json.pop_back();
  return json;
}

size_t ColumnsOf(int fd, size_t otherwise) {
  winsize size{};
  return ioctl(fd, TIOCGWINSZ, &size) == 0 && size.ws_col > 0 ? size.ws_col : otherwise;
}

bool IsDumbTerminal() {
  const char* terminal = std::getenv("TERM");
  return terminal != nullptr && std::string_view(terminal) == "dumb";
}

std::string Painted(const Style& style, const std::string& state) {
  static const std::map<std::string_view, int> colours = {
      {"done", kGreen},        {"running", kGreen},    {"receiving", kGreen},
      {"verifying", kGreen},   {"complete", kGreen},   {"connected", kGreen},
      {"served", kGreen},      {"queued", kYellow},    {"waiting", kYellow},
      {"parked", kYellow},     {"paused", kYellow},    {"connecting", kYellow},
      {"requesting", kYellow}, {"partial", kYellow},   {"dialling", kYellow},
      {"failed", kRed},        {"no providers", kRed}, {"deadline exceeded", kRed},
      {"banned", kRed},        {"ok", kGreen},         {"warning", kYellow},
      {"problem", kRed}};
  if (!style.colour) return state;
  // "connected, served": by the last word, which is the newest trouble.
  const size_t comma = state.rfind(", ");
  const auto it =
      colours.find(std::string_view(state).substr(comma == std::string::npos ? 0 : comma + 2));
  return it == colours.end() ? state : fmt::format("\x1b[{}m{}\x1b[0m", it->second, state);
}

std::string ShownHash(const Style& style, const std::string& hash) {
  return style.full ? hash : hash.substr(0, 10);
}

std::string ShownProvider(const Style& style, const std::string& provider) {
  const bool is_mirror = provider.find("://") != std::string::npos;
  return is_mirror ? provider : ShownHash(style, provider);
}

std::string ShownPercent(uint64_t part, uint64_t whole) {
  if (whole == 0) return "-";
  return fmt::format(
      "{} %", static_cast<uint64_t>(static_cast<double>(part) * 100 / static_cast<double>(whole)));
}

std::string ShownAge(int64_t unix_ms) {
  if (unix_ms == 0) return "-";
  return FormatDuration(std::max(Duration::zero(), SystemClock().WallNow() - WallTime{unix_ms}));
}

}  // namespace blobd::client
