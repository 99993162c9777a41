// What blobctl prints: sentences for people (tables: table.h), JSON for programs. Text from outside
// is escaped before a terminal sees it.
#pragma once

#include <fmt/format.h>
#include <google/protobuf/message.h>

#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace blobd::client {

enum class JsonForm { kOff, kShort, kPretty };

// How this run of blobctl talks.
struct Style {
  JsonForm json = JsonForm::kOff;
  bool quiet = false;      // ids only
  bool full = false;       // hashes in full
  bool no_legend = false;  // tables without their head
  bool colour = false;
  size_t columns = 0;  // of the terminal; 0: as many as it takes

  bool is_json() const { return json != JsonForm::kOff; }
};

// Writes to standard output. Where that cannot be done, nothing of what the command has to say is
// of use any more: the process ends, with an error and kExitFailed, or kExitNoSpace.
void WriteOutput(std::string_view text);
void FlushOutput();
template <typename... Args>
void PrintOut(fmt::format_string<Args...> format, Args&&... args) {
  WriteOutput(fmt::format(format, std::forward<Args>(args)...));
}
// Writes to standard error, at once; what cannot be written there is lost.
void WriteError(std::string_view text);
template <typename... Args>
void PrintError(fmt::format_string<Args...> format, Args&&... args) {
  WriteError(fmt::format(format, std::forward<Args>(args)...));
}

// Of the terminal that `fd` is; `otherwise` if it does not say.
size_t ColumnsOf(int fd, size_t otherwise);
// A terminal that can do nothing but show text (TERM=dumb).
bool IsDumbTerminal();

// Prints a message as one JSON document: protobuf's mapping, with fields of value 0 included.
// What JSON cannot hold, such as a name that is no UTF-8, ends the process as WriteOutput does.
void PrintJson(const Style& style, const google::protobuf::Message& message);
// The same on one line whatever the style: for streams.
void PrintJsonLine(const google::protobuf::Message& message);
// What that prints, without the end of the line: to be part of something larger.
std::string JsonOf(const google::protobuf::Message& message);

std::string ShownHash(const Style& style, const std::string& hash);
// A node as ShownHash does it, a mirror in full.
std::string ShownProvider(const Style& style, const std::string& provider);
// A state in the colour of its kind: green is well, yellow waits, red has failed.
std::string Painted(const Style& style, const std::string& state);
// "42 %", or "-" while the total is not known.
std::string ShownPercent(uint64_t part, uint64_t whole);
// "3 min 20 s" since then.
std::string ShownAge(int64_t unix_ms);

}  // namespace blobd::client
