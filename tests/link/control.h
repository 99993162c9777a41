// Control: reads commands from a script and from a descriptor, line by line, has the emulator carry
// them out when their time comes, and answers each line of the descriptor with one line: "ok", "ok
// WHAT" or "error WHY".
//
// Thread: the one that called Run.
// Errors: a bad line is answered and changes nothing. A command of a script, or one whose time came
//         later, has nobody to answer to: when it fails that is said on stderr, and Run ends.
#pragma once

#include <cstdint>
#include <istream>
#include <map>
#include <string>
#include <string_view>

#include "base/status.h"
#include "base/time.h"
#include "command.h"
#include "emulator.h"

namespace blobd::link {

class Control {
 public:
  explicit Control(uint64_t seed) : emulator_(seed) {}

  // Takes a script's commands over; times count from Run. kInvalidArgument names the line that
  // cannot be read; then none was taken.
  Status LoadScript(std::istream& script);

  // Until `quit`, or the end of `in` if no script was loaded. False if a command that nobody waited
  // for has failed, or `out` could not be written.
  bool Run(int in, int out);

 private:
  bool ExecuteDue(Instant now);
  // Reads what `in` has and answers all whole lines. False at its end.
  bool ReadLines(int in, int out);
  std::string Answer(std::string_view line);

  Emulator emulator_;
  // By time, then in the order given.
  std::multimap<Duration, Command> script_;
  std::multimap<Instant, Command> timed_;
  std::string unfinished_line_;
  bool out_failed_ = false;
};

}  // namespace blobd::link
