#include "rpc/group.h"

#include <cerrno>
#include <cstring>
#include <vector>

namespace blobd::rpc {
namespace {

// An entry names all members, so it can be long; but not as long as this.
constexpr size_t kFirstBuffer = 4096;
constexpr size_t kMaxBuffer = 64 << 20;

}  // namespace

StatusOr<gid_t> FindGroup(const std::string& name, const GroupLookup& look) {
  int error = ERANGE;
  for (size_t size = kFirstBuffer; error == ERANGE && size <= kMaxBuffer; size *= 4) {
    std::vector<char> buffer(size);
    group entry{};
    group* found = nullptr;
    do {
      error = look(name.c_str(), &entry, buffer.data(), buffer.size(), &found);
    } while (error == EINTR);
    if (error == 0 && found != nullptr) return found->gr_gid;
  }
  // Some name services say so for a name that they do not know.
  const bool is_unknown = error == 0 || error == ENOENT || error == ESRCH;
  if (is_unknown) return NotFound("there is no group {}", name);
  return Unavailable("group {} could not be looked up: {}", name, std::strerror(error));
}

}  // namespace blobd::rpc
