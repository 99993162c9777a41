// DiskFiles: the simulated disk as the store's FileSystem. It has no descriptors to give away.
//
// Thread:    one.
// Ownership: the disk outlives it, and the files opened.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "disk.h"
#include "store/file_system.h"

namespace blobd::faults {

class DiskFiles final : public store::FileSystem {
 public:
  DiskFiles(Disk& disk, Rng& rng) : disk_(disk), rng_(rng) {}

  StatusOr<std::unique_ptr<store::File>> Open(const std::string& path,
                                              store::OpenMode mode) override;
  Status Rename(const std::string& from, const std::string& to) override;
  Status Unlink(const std::string& path) override;
  StatusOr<bool> MakeDirectory(const std::string& path) override;
  StatusOr<std::vector<std::string>> List(const std::string& directory) override;
  Status SyncDirectory(const std::string& path) override;
  StatusOr<store::Descriptor> OpenDescriptor(const std::string& path) override;
  StatusOr<store::DiskSpace> Space(const std::string& directory) override;

 private:
  Disk& disk_;
  Rng& rng_;
};

}  // namespace blobd::faults
