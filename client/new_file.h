// NewFile: a file that appears under its name when it is complete, and not before: it is written
// beside its place, synced and renamed.
//
// Thread: one owner; blocks.
#pragma once

#include <string>

#include "base/status.h"
#include "client/descriptor.h"

namespace blobd::client {

// The directory that holds `target`, and the last component of its name.
struct Place {
  std::string directory;
  std::string name;
};
Place PlaceOf(std::string target);
// For what will be `name`, in the same directory. Never the same twice.
std::string TemporaryName(const std::string& name);

// Whether a file can be written there, as far as that is to be seen: in time, before the work.
// `replace`: an existing file may be replaced. Errors as NewFile::Begin; names of standard output
// are refused with what to write instead.
Status CheckTarget(const std::string& target, bool replace);

// Whether names can be made in a directory.
Status CheckWritable(int directory, const std::string& shown);

// Gives what is finished its name, which another thing has only if `replace`. False: see errno.
bool RenameTo(int from_directory, const std::string& from, int to_directory, const std::string& to,
              bool replace);

class NewFile {
 public:
  // kAlreadyExists: it is there, and is not to be replaced. kFailedPrecondition: what is there is
  // no regular file, or the name ends with a slash.
  static StatusOr<NewFile> Begin(const std::string& target, bool replace);
  NewFile(NewFile&&) noexcept = default;
  NewFile& operator=(NewFile&&) = delete;
  // Without Commit, nothing remains.
  ~NewFile();

  int fd() const { return file_.get(); }
  // Makes what was written durable and gives it its name. kAlreadyExists: somebody else was first.
  Status Commit();

 private:
  NewFile(std::string target, bool replace) : target_(std::move(target)), replace_(replace) {}
  Status Exists() const;

  const std::string target_;
  const bool replace_;
  Place place_;
  Descriptor directory_;
  std::string temporary_;
  Descriptor file_;  // open while there is something to be removed
};

}  // namespace blobd::client
