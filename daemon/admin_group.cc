#include "daemon/admin_group.h"

#include "rpc/group.h"

namespace blobd::daemon {
namespace {

// What the kernel says of a group that a user namespace does not know.
constexpr gid_t kOverflowGid = 65534;

}  // namespace

StatusOr<std::optional<uint32_t>> FindAdminGroup(const std::string& name) {
  if (name.empty()) return std::optional<uint32_t>();
  // The default; it is there without anybody being asked.
  if (name == "root") return std::optional<uint32_t>(0);
  const auto group = rpc::FindGroup(name);
  if (!group.ok()) return Annotate(group.status(), "admin_group");
  if (*group == kOverflowGid) {
    return InvalidArgument(
        "admin_group: {} has the number {}, which the kernel also says of groups that it does not "
        "know; take another",
        name, kOverflowGid);
  }
  return std::optional<uint32_t>(*group);
}

}  // namespace blobd::daemon
