#include <algorithm>

#include "base/check.h"
#include "lookup/dns_message.h"

namespace blobd::lookup {
namespace {

char Lower(char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c; }

}  // namespace

StatusOr<DnsName> DnsName::Parse(std::string_view text) {
  DnsName name;
  if (!text.empty() && text.back() == '.') text.remove_suffix(1);
  while (!text.empty()) {
    const size_t dot = text.find('.');
    if (!name.Append(text.substr(0, dot))) {
      return InvalidArgument("a name has an empty label, or is too long");
    }
    if (dot == std::string_view::npos) break;
    text.remove_prefix(dot + 1);
    if (text.empty()) return InvalidArgument("a name has an empty label");
  }
  return name;
}

bool DnsName::Append(std::string_view label) {
  if (label.empty() || label.size() > kMaxLabel || size_ + 1 + label.size() > kMaxSize) {
    return false;
  }
  size_ += 1 + label.size();
  std::string lower(label);
  std::transform(lower.begin(), lower.end(), lower.begin(), Lower);
  labels_.push_back(std::move(lower));
  return true;
}

bool DnsName::EndsWith(const DnsName& suffix) const {
  return suffix.labels_.size() <= labels_.size() &&
         std::equal(suffix.labels_.rbegin(), suffix.labels_.rend(), labels_.rbegin());
}

DnsName DnsName::Parent() const {
  BLOBD_CHECK(!labels_.empty());
  DnsName parent;
  for (auto label = labels_.begin() + 1; label != labels_.end(); ++label) parent.Append(*label);
  return parent;
}

std::string DnsName::ToString() const {
  std::string text;
  for (const std::string& label : labels_) {
    text += label;
    text += '.';
  }
  return text.empty() ? "." : text;
}

}  // namespace blobd::lookup
