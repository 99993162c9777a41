#include "base/file_names.h"

#include <algorithm>
#include <string_view>

#include "base/utf8.h"

namespace blobd {
namespace {

constexpr size_t kMaxComponentSize = 255;  // NAME_MAX
constexpr size_t kMaxPathSize = 4096;      // PATH_MAX

// For messages: long names are cut, so that a hostile collection does not fill a log.
std::string Shown(std::string_view name) {
  constexpr size_t kMaxShown = 200;
  const bool is_long = name.size() > kMaxShown;
  return EscapeForTerminal(name.substr(0, kMaxShown)) + (is_long ? "..." : "");
}

// nullptr, or what is wrong with the component.
const char* ComponentFault(std::string_view component) {
  if (component.empty()) return "has an empty component";
  if (component == "." || component == "..") return "has a component . or ..";
  if (component.size() > kMaxComponentSize) return "has a component of more than 255 bytes";
  return nullptr;
}

Status CheckName(std::string_view name) {
  if (name.empty()) return InvalidArgument("a name is empty");
  if (name.size() > kMaxPathSize) {
    return InvalidArgument("the name {} is longer than {} bytes", Shown(name), kMaxPathSize);
  }
  if (name.front() == '/') return InvalidArgument("the name {} is absolute", Shown(name));
  if (name.find('\0') != std::string_view::npos) {
    return InvalidArgument("the name {} has a NUL", Shown(name));
  }
  for (size_t begin = 0; begin <= name.size();) {
    const size_t end = std::min(name.find('/', begin), name.size());
    if (const char* fault = ComponentFault(name.substr(begin, end - begin))) {
      return InvalidArgument("the name {} {}", Shown(name), fault);
    }
    begin = end + 1;
  }
  return OkStatus();
}

}  // namespace

Status CheckFileNames(std::span<const std::string> names) {
  for (const std::string& name : names) BLOBD_RETURN_IF_ERROR(CheckName(name));

  std::vector<std::string_view> sorted(names.begin(), names.end());
  std::sort(sorted.begin(), sorted.end());
  const auto twice = std::adjacent_find(sorted.begin(), sorted.end());
  if (twice != sorted.end()) return InvalidArgument("the name {} comes twice", Shown(*twice));

  // Whatever lies below a name begins with it and a slash, and sorts right behind that.
  std::string directory;
  for (const std::string_view name : sorted) {
    directory.assign(name).push_back('/');
    const auto below = std::lower_bound(sorted.begin(), sorted.end(), directory);
    if (below != sorted.end() && below->starts_with(directory)) {
      return InvalidArgument("the name {} is a file and a directory", Shown(name));
    }
  }
  return OkStatus();
}

}  // namespace blobd
