#include "client/wait_notes.h"

#include <fmt/format.h>
#include <poll.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "base/check.h"
#include "base/utf8.h"
#include "client/output.h"

namespace blobd::client {
namespace {

using std::chrono::steady_clock;

// A shorter wait is not worth a line.
constexpr std::chrono::seconds kWorthALine(5);
// Numbers apart, there are fewer kinds of reasons; what a log has of one download stays short.
constexpr size_t kMostReasons = 20;
constexpr int kLookMs = 500;

// The same reason with other times and counts is the same.
std::string WithoutNumbers(const std::string& reason) {
  std::string kind;
  for (const char c : reason)
    if (c < '0' || c > '9') kind += c;
  return kind;
}

}  // namespace

void WaitReasons::Look(const v1::Intent& intent, Time now) {
  if (waits_for_.empty()) since_ = now;
  intent_id_ = intent.intent_id();
  waits_for_ = intent.state() == v1::INTENT_STATE_RUNNING ? "" : intent.waits_for();
}

std::string WaitReasons::Next(Time now) {
  if (waits_for_.empty() || now - since_ < kWorthALine || said_.size() >= kMostReasons) return "";
  if (!said_.insert(WithoutNumbers(waits_for_)).second) return "";
  return fmt::format("waiting: intent {} {}", intent_id_, EscapeForTerminal(waits_for_));
}

WaitNotes::WaitNotes(bool enabled) {
  if (!enabled || isatty(STDERR_FILENO) == 1) return;
  ending_ = eventfd(0, EFD_CLOEXEC);
  BLOBD_CHECK(ending_ >= 0);
  thread_ = std::thread([this] { Run(); });
}

WaitNotes::~WaitNotes() {
  if (ending_ < 0) return;
  const uint64_t one = 1;
  BLOBD_CHECK(write(ending_, &one, sizeof one) == sizeof one);
  thread_.join();
  close(ending_);
}

void WaitNotes::Look(const v1::Intent& intent) {
  const MutexLock lock(mutex_);
  reasons_.Look(intent, steady_clock::now());
}

void WaitNotes::Run() {
  pollfd ending{ending_, POLLIN, 0};
  while (poll(&ending, 1, kLookMs) == 0) {
    const MutexLock lock(mutex_);
    const std::string line = reasons_.Next(steady_clock::now());
    if (!line.empty()) PrintError("blobctl: {}\n", line);
  }
}

}  // namespace blobd::client
