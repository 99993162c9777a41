// FileAdder: takes files into the store, by descriptor where that can be done, else as a stream:
// pipes, devices, file systems that could keep the daemon waiting, small files, old daemons.
//
// Thread: any, several at once.
// Errors: the daemon's, and the file system's.
#pragma once

#include <sys/types.h>

#include <cstdint>
#include <semaphore>
#include <string>
#include <vector>

#include "base/mutex.h"
#include "client/daemon_client.h"
#include "client/progress_line.h"

namespace blobd::client {

// What all the work under way has done together, on one line.
class SharedProgress {
 public:
  SharedProgress(ProgressLine& line, std::string what, uint64_t total)
      : line_(line), what_(std::move(what)), total_(total) {}
  void Add(uint64_t bytes);

 private:
  Mutex mutex_;
  ProgressLine& line_ ABSL_GUARDED_BY(mutex_);
  const std::string what_;
  const uint64_t total_;  // 0: not known
  uint64_t done_ ABSL_GUARDED_BY(mutex_) = 0;
};

class FileAdder {
 public:
  // Each waits most of its time for the disk, and those that wait together share a commit. Of what
  // one uid may have under way they are less than half.
  static constexpr size_t kFilesAtOnce = 32;

  // What goes with others in one call, and how much at once: what the daemon takes, or less.
  static constexpr size_t kLargestSmall = 16 * 1024;
  static constexpr size_t kSmallTogether = 256;
  static constexpr size_t kSmallBytesTogether = 768 * 1024;
  // While one call waits for the disk others are hashed, and more is read.
  static constexpr size_t kSmallCalls = 4;

  // `interrupt`: readable once the caller was interrupted, while it reads from what may keep it
  // waiting: a terminal, a pipe.
  FileAdder(DaemonClient& client, int interrupt, bool is_private, SharedProgress& progress)
      : client_(client), interrupt_(interrupt), is_private_(is_private), progress_(progress) {}

  // `fd` is read from where it is, if it cannot be handed in whole. `name` is for errors. While the
  // daemon has too many calls of this uid it is asked again, where `fd` can be read again.
  StatusOr<v1::AddResponse> Add(int fd, const std::string& name);
  // So many at most, of this size at most, and in all; answered in their order. kUnimplemented: the
  // daemon is older than that.
  StatusOr<std::vector<v1::AddResponse>> AddSmall(std::vector<std::string> contents);

 private:
  StatusOr<v1::AddResponse> HandIn(int fd, uint64_t& told);
  // `told`: of this file's bytes, to `progress_`.
  StatusOr<v1::AddResponse> AddStream(int fd, const std::string& name, uint64_t& told);
  StatusOr<v1::AddResponse> AddStreamOnce(int fd, const std::string& name, uint64_t& told);
  void Tell(uint64_t bytes, uint64_t& told);

  DaemonClient& client_;
  const int interrupt_;
  const bool is_private_;
  SharedProgress& progress_;
  // Those are hashed by the daemon's workers, and more of them only take each other's turns.
  std::counting_semaphore<> large_files_{4};
};

}  // namespace blobd::client
