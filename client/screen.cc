#include "client/screen.h"

#include <fcntl.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include <array>
#include <atomic>
#include <cerrno>
#include <csignal>
#include <utility>

#include "base/check.h"
#include "client/output.h"

namespace blobd::client {
namespace {

// Where the signal handler tells which signal came; the reading end is the Screen's descriptor.
std::array<int, 2> signal_pipe = {-1, -1};

void Tell(int signal) {
  const int error = errno;
  const char number = static_cast<char>(signal);
  // Full: enough has been told.
  (void)!write(signal_pipe[1], &number, 1);
  errno = error;
}

void Handle(int signal, void (*handler)(int)) {
  struct sigaction action {};
  action.sa_handler = handler;
  action.sa_flags = SA_RESTART;
  sigaction(signal, &action, nullptr);
}

constexpr std::array kSignals = {SIGWINCH, SIGTSTP, SIGCONT};

}  // namespace

Screen::Screen() {
  BLOBD_CHECK(signal_pipe[0] < 0);
  BLOBD_CHECK(pipe2(signal_pipe.data(), O_CLOEXEC | O_NONBLOCK) == 0);
  tcgetattr(STDIN_FILENO, &before_);
  for (const int signal : kSignals) Handle(signal, Tell);
  Enter();
}

Screen::~Screen() {
  for (const int signal : kSignals) Handle(signal, SIG_DFL);
  Leave();
  for (int& end : signal_pipe) close(std::exchange(end, -1));
}

void Screen::Enter() {
  termios keys = before_;
  keys.c_lflag &= ~static_cast<tcflag_t>(ICANON | ECHO);
  keys.c_cc[VMIN] = 1;
  keys.c_cc[VTIME] = 0;
  keys.c_cc[VQUIT] = _POSIX_VDISABLE;  // it would leave the terminal as it is now
  tcsetattr(STDIN_FILENO, TCSANOW, &keys);
  winsize size{};
  if (ioctl(STDOUT_FILENO, TIOCGWINSZ, &size) == 0 && size.ws_col > 0 && size.ws_row > 0) {
    columns_ = size.ws_col;
    lines_ = size.ws_row;
  }
  WriteOutput("\x1b[?1049h\x1b[?25l\x1b[2J");
  FlushOutput();
}

void Screen::Leave() {
  // By itself, and not through the buffer: what is in there may be half of a frame.
  constexpr std::string_view kBack = "\x1b[0m\x1b[?25h\x1b[?1049l";
  (void)!write(STDOUT_FILENO, kBack.data(), kBack.size());
  tcsetattr(STDIN_FILENO, TCSANOW, &before_);
}

void Screen::Draw(const std::vector<std::string>& lines) {
  std::string text = "\x1b[H";
  for (size_t i = 0; i < lines.size(); ++i) {
    if (i > 0) text += "\n";
    text += lines[i] + "\x1b[K";
  }
  WriteOutput(text + "\x1b[J");
  FlushOutput();
}

int Screen::descriptor() const { return signal_pipe[0]; }

void Screen::Attend() {
  char signal = 0;
  while (read(signal_pipe[0], &signal, 1) == 1) {
    if (signal == SIGTSTP) {
      Leave();
      raise(SIGSTOP);  // until somebody continues us
    }
    // Who stopped us otherwise has left the terminal as the shell wants it.
    Enter();
  }
}

bool Screen::ReadKeys(std::string* typed) {
  std::array<char, 256> piece{};
  const ssize_t size = read(STDIN_FILENO, piece.data(), piece.size());
  if (size < 0) return errno == EINTR || errno == EAGAIN;
  typed->append(piece.data(), static_cast<size_t>(size));
  return size > 0;
}

}  // namespace blobd::client
