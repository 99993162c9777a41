#include "client/interrupt.h"

#include <poll.h>
#include <sys/eventfd.h>
#include <sys/signalfd.h>
#include <unistd.h>

#include <array>
#include <csignal>

#include "base/check.h"

namespace blobd::client {

Interrupt::Interrupt() {
  sigset_t set;
  sigemptyset(&set);
  sigaddset(&set, SIGINT);
  sigaddset(&set, SIGTERM);
  sigaddset(&set, SIGHUP);
  pthread_sigmask(SIG_BLOCK, &set, nullptr);
  signal_fd_ = signalfd(-1, &set, SFD_CLOEXEC);
  stop_event_ = eventfd(0, EFD_CLOEXEC);
  BLOBD_CHECK(signal_fd_ >= 0 && stop_event_ >= 0);
  thread_ = std::thread([this] { Run(); });
}

Interrupt::~Interrupt() {
  const uint64_t one = 1;
  BLOBD_CHECK(write(stop_event_, &one, sizeof one) == sizeof one);
  thread_.join();
  close(signal_fd_);
  close(stop_event_);
}

void Interrupt::OnInterrupt(std::function<void()> on_interrupt) {
  const MutexLock lock(mutex_);
  on_interrupt_ = std::move(on_interrupt);
  if (happened_ && on_interrupt_) on_interrupt_();
}

void Interrupt::Run() {
  std::array<pollfd, 2> fds = {pollfd{signal_fd_, POLLIN, 0}, pollfd{stop_event_, POLLIN, 0}};
  while (poll(fds.data(), fds.size(), -1) >= 0) {
    if (fds[1].revents != 0) return;
    signalfd_siginfo info{};
    if (read(signal_fd_, &info, sizeof info) != sizeof info) continue;
    if (happened_.exchange(true)) _exit(130);  // asked twice
    const MutexLock lock(mutex_);
    if (on_interrupt_) on_interrupt_();
  }
}

}  // namespace blobd::client
