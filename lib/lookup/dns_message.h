// DNS messages (RFC 1035, section 4; SRV: RFC 2782; AAAA: RFC 3596), as far as address lookup needs
// them: what resolvers answer, what signed packets hold, what is said on the local network.
//
// Every message comes from strangers. Names are compared without regard to case; they are kept in
// lower case. Compression pointers must point backwards, so reading always ends.
//
// Pure functions and values; any thread.
// Errors: kInvalidArgument, with what is wrong.
#pragma once

#include <array>
#include <cstdint>
#include <initializer_list>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "base/bytes.h"
#include "base/status.h"

namespace blobd::lookup {

// A domain name as its labels, the most special first; the root has none. Labels may hold any
// bytes, also dots.
class DnsName {
 public:
  static constexpr size_t kMaxLabel = 63;
  static constexpr size_t kMaxSize = 255;  // as uncompressed bytes, with the root's

  DnsName() = default;
  // "a.example." or "a.example", for names that we choose. kInvalidArgument if a label or the whole
  // is too long or a label is empty.
  static StatusOr<DnsName> Parse(std::string_view text);
  // False, and nothing is changed, if the label is empty or too long, or the name would be.
  bool Append(std::string_view label);

  const std::vector<std::string>& labels() const { return labels_; }
  // The labels of `suffix` are the last ones of this name.
  bool EndsWith(const DnsName& suffix) const;
  // The name without its first label. REQUIRES: it has one
  DnsName Parent() const;
  std::string ToString() const;  // for people; not escaped
  auto operator<=>(const DnsName&) const = default;

 private:
  std::vector<std::string> labels_;
  size_t size_ = 1;
};

enum class DnsType : uint16_t { kA = 1, kPtr = 12, kTxt = 16, kAaaa = 28, kSrv = 33 };
inline constexpr uint16_t kDnsIn = 1;  // the class of the Internet

struct DnsQuestion {
  DnsName name;
  uint16_t type = 0;
  uint16_t klass = kDnsIn;
  bool operator==(const DnsQuestion&) const = default;
};

struct DnsTxt {
  std::vector<std::string> strings;  // each at most 255 bytes
  // Most TXT records are one text, cut where it became too long for one string.
  std::string Joined() const;
  bool operator==(const DnsTxt&) const = default;
};
struct DnsA {
  std::array<uint8_t, 4> ip{};
  bool operator==(const DnsA&) const = default;
};
struct DnsAaaa {
  std::array<uint8_t, 16> ip{};
  bool operator==(const DnsAaaa&) const = default;
};
struct DnsSrv {
  uint16_t priority = 0;
  uint16_t weight = 0;
  uint16_t port = 0;
  DnsName target;
  bool operator==(const DnsSrv&) const = default;
};
struct DnsOther {  // of a type that nobody here reads; its data is not kept
  uint16_t type = 0;
  bool operator==(const DnsOther&) const = default;
};

struct DnsRecord {
  DnsName name;
  uint16_t klass = kDnsIn;
  uint32_t ttl = 0;  // seconds
  std::variant<DnsOther, DnsTxt, DnsA, DnsAaaa, DnsSrv> data;
  bool operator==(const DnsRecord&) const = default;
};

struct DnsMessage {
  static constexpr size_t kMaxRecords = 256;  // questions and records of one message, together
  static constexpr size_t kMaxSize = 65535;

  uint16_t id = 0;
  bool response = false;
  bool authoritative = false;
  bool truncated = false;
  uint8_t code = 0;  // RCODE: 0 no error, 3 no such name
  std::vector<DnsQuestion> questions;
  std::vector<DnsRecord> answers;
  std::vector<DnsRecord> additionals;  // those of the authority section are read over

  // Bytes behind the message are refused.
  static StatusOr<DnsMessage> Parse(ByteView bytes);
  // With compressed names. Records of other types are left out.
  // REQUIRES: TXT strings have at most 255 bytes
  Bytes Encode() const;
  bool operator==(const DnsMessage&) const = default;
};

}  // namespace blobd::lookup
