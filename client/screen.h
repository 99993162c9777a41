// Screen: a terminal that is ours as a whole: the alternate screen, without cursor and echo, keys
// one by one. What was there before comes back when it goes, while the process is stopped (Ctrl-Z),
// and at a sudden end by way of Leave.
//
// One at a time in a process: it handles SIGWINCH, SIGTSTP and SIGCONT.
//
// Thread: one owner; Leave may be called by any thread that ends the process then.
#pragma once

#include <termios.h>

#include <cstddef>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace blobd::client {

class Screen {
 public:
  // Standard input and output are to be a terminal.
  Screen();
  ~Screen();
  Screen(const Screen&) = delete;
  Screen& operator=(const Screen&) = delete;

  size_t columns() const { return columns_; }
  size_t lines() const { return lines_; }

  // Shows `lines` from the top; none is wider than the screen, and there are no more than it has.
  void Draw(const std::vector<std::string>& lines);

  // For poll(2): readable when the terminal's size has changed, or we were stopped or continued.
  // Then call Attend, which does what is to be done about that, and draw again.
  int descriptor() const;
  void Attend();
  // Adds what was typed to `typed`. False: the terminal is gone. Call it when standard input is
  // readable.
  static bool ReadKeys(std::string* typed);

  void Leave();

 private:
  void Enter();

  termios before_{};
  size_t columns_ = 80;
  size_t lines_ = 24;
};

}  // namespace blobd::client
