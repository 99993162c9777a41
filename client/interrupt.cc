#include "client/interrupt.h"

#include <poll.h>
#include <sys/eventfd.h>
#include <sys/signalfd.h>
#include <unistd.h>

#include <array>
#include <chrono>
#include <csignal>

#include "base/check.h"

namespace blobd::client {
namespace {

using std::chrono::steady_clock;

// So long after the first, what a program sends is the same wish.
constexpr std::chrono::seconds kOneWish(1);

// As opposed to one that another process sent.
bool IsTyped(const signalfd_siginfo& info) { return info.ssi_code == SI_KERNEL; }

bool IsIgnored(int signal) {
  struct sigaction action {};
  return sigaction(signal, nullptr, &action) == 0 && action.sa_handler == SIG_IGN;
}

void Raise(int event) {
  const uint64_t one = 1;
  BLOBD_CHECK(write(event, &one, sizeof one) == sizeof one);
}

}  // namespace

Interrupt::Interrupt() {
  sigset_t set;
  sigemptyset(&set);
  sigaddset(&set, SIGINT);
  sigaddset(&set, SIGTERM);
  // A signal that is blocked would come to us even where it is ignored.
  if (!IsIgnored(SIGHUP)) sigaddset(&set, SIGHUP);
  pthread_sigmask(SIG_BLOCK, &set, nullptr);
  signal_fd_ = signalfd(-1, &set, SFD_CLOEXEC);
  stop_event_ = eventfd(0, EFD_CLOEXEC);
  happened_event_ = eventfd(0, EFD_CLOEXEC);
  BLOBD_CHECK(signal_fd_ >= 0 && stop_event_ >= 0 && happened_event_ >= 0);
  thread_ = std::thread([this] { Run(); });
}

Interrupt::~Interrupt() {
  Raise(stop_event_);
  thread_.join();
  close(signal_fd_);
  close(stop_event_);
  close(happened_event_);
}

void Interrupt::OnInterrupt(std::function<void()> on_interrupt) {
  const MutexLock lock(mutex_);
  on_interrupt_ = std::move(on_interrupt);
  if (happened() && on_interrupt_) on_interrupt_();
}

void Interrupt::OnSecond(std::function<void()> on_second) {
  const MutexLock lock(mutex_);
  on_second_ = std::move(on_second);
}

void Interrupt::Run() {
  steady_clock::time_point first_at;
  bool first_typed = false;
  std::array<pollfd, 2> fds = {pollfd{signal_fd_, POLLIN, 0}, pollfd{stop_event_, POLLIN, 0}};
  while (poll(fds.data(), fds.size(), -1) >= 0) {
    if (fds[1].revents != 0) return;
    signalfd_siginfo info{};
    if (read(signal_fd_, &info, sizeof info) != sizeof info) continue;
    const bool is_typed = IsTyped(info);
    const auto now = steady_clock::now();
    if (happened()) {
      if (now - first_at < kOneWish && !(is_typed && first_typed)) continue;
      const MutexLock lock(mutex_);
      if (on_second_) on_second_();
      _exit(130);
    }
    first_at = now;
    first_typed = is_typed;
    const MutexLock lock(mutex_);
    signal_ = static_cast<int>(info.ssi_signo);
    if (on_interrupt_) on_interrupt_();
    Raise(happened_event_);
  }
}

}  // namespace blobd::client
