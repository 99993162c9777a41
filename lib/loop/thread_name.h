// What threads are called in top -H, perf and core dumps.
#pragma once

#include <thread>
#include <utility>

namespace blobd::loop {

// Of the calling thread, and of those that it starts. REQUIRES: at most 15 characters
void NameThread(const char* name);

// A thread of that name which runs `work`.
template <typename Work>
std::thread NamedThread(const char* name, Work work) {
  return std::thread([name, work = std::move(work)]() mutable {
    NameThread(name);
    work();
  });
}

}  // namespace blobd::loop
