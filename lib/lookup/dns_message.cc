#include "lookup/dns_message.h"

#include <algorithm>
#include <map>
#include <optional>
#include <utility>

#include "base/check.h"
#include "base/overloaded.h"

namespace blobd::lookup {
namespace {

constexpr size_t kHeader = 12;
constexpr uint8_t kPointer = 0xc0;  // the two bits that mark a compression pointer
constexpr size_t kMaxPointer = 0x3fff;

// Reads big-endian numbers and names. After a failure everything reads as nothing.
class Reader {
 public:
  explicit Reader(ByteView bytes) : bytes_(bytes) {}

  bool ok() const { return ok_; }
  size_t at() const { return at_; }
  size_t left() const { return bytes_.size() - at_; }
  void Fail() { ok_ = false; }

  ByteView Take(size_t size) {
    if (!ok_ || size > left()) {
      ok_ = false;
      return {};
    }
    const ByteView taken = bytes_.subspan(at_, size);
    at_ += size;
    return taken;
  }
  uint8_t U8() {
    const ByteView b = Take(1);
    return b.empty() ? uint8_t{0} : b[0];
  }
  uint16_t U16() {
    const ByteView b = Take(2);
    return b.empty() ? uint16_t{0} : static_cast<uint16_t>(b[0] << 8 | b[1]);
  }
  uint32_t U32() {
    const uint32_t high = U16();
    return high << 16 | U16();
  }

  // A pointer must go to before the place where the piece of name that it ends began. So each jump
  // goes further back, and there is an end.
  DnsName Name() {
    DnsName name;
    size_t at = at_;
    size_t piece = at_;
    bool jumped = false;
    while (ok_) {
      if (at >= bytes_.size()) {
        ok_ = false;
        break;
      }
      const uint8_t length = bytes_[at];
      if ((length & kPointer) == kPointer) {
        if (at + 1 >= bytes_.size()) {
          ok_ = false;
          break;
        }
        const size_t target = static_cast<size_t>(length & ~kPointer) << 8 | bytes_[at + 1];
        if (!std::exchange(jumped, true)) at_ = at + 2;
        if (target >= piece) {
          ok_ = false;
          break;
        }
        at = piece = target;
        continue;
      }
      if (length == 0) {
        if (!jumped) at_ = at + 1;
        break;
      }
      if (length > DnsName::kMaxLabel || at + 1 + length > bytes_.size() ||
          !name.Append(AsText(bytes_.subspan(at + 1, length)))) {
        ok_ = false;
        break;
      }
      at += 1 + length;
    }
    return name;
  }

 private:
  const ByteView bytes_;
  size_t at_ = 0;
  bool ok_ = true;
};

DnsQuestion ReadQuestion(Reader& reader) {
  DnsQuestion question;
  question.name = reader.Name();
  question.type = reader.U16();
  question.klass = reader.U16();
  return question;
}

DnsTxt ReadTxt(Reader& reader, size_t end) {
  DnsTxt txt;
  while (reader.ok() && reader.at() < end) {
    const size_t size = reader.U8();
    if (reader.at() + size > end) {
      reader.Fail();
      break;
    }
    txt.strings.emplace_back(AsText(reader.Take(size)));
  }
  return txt;
}

DnsRecord ReadRecord(Reader& reader) {
  DnsRecord record;
  record.name = reader.Name();
  const uint16_t type = reader.U16();
  record.klass = reader.U16();
  record.ttl = reader.U32();
  const size_t size = reader.U16();
  if (!reader.ok() || size > reader.left()) {
    reader.Fail();
    return record;
  }
  const size_t end = reader.at() + size;
  switch (static_cast<DnsType>(type)) {
    case DnsType::kTxt:
      record.data = ReadTxt(reader, end);
      break;
    case DnsType::kA: {
      DnsA a;
      if (size == a.ip.size()) std::ranges::copy(reader.Take(size), a.ip.begin());
      record.data = a;
      break;
    }
    case DnsType::kAaaa: {
      DnsAaaa aaaa;
      if (size == aaaa.ip.size()) std::ranges::copy(reader.Take(size), aaaa.ip.begin());
      record.data = aaaa;
      break;
    }
    case DnsType::kSrv: {
      DnsSrv srv;
      srv.priority = reader.U16();
      srv.weight = reader.U16();
      srv.port = reader.U16();
      srv.target = reader.Name();
      record.data = std::move(srv);
      break;
    }
    case DnsType::kPtr:
    default:
      record.data = DnsOther{type};
      reader.Take(size);
      break;
  }
  // What a type says of its data must be what the record has room for.
  if (reader.at() != end) reader.Fail();
  return record;
}

// Writes a message; where a name, or the end of one, was written before, it points there.
class Encoder {
 public:
  Bytes Take() && { return std::move(bytes_); }

  void U8(size_t value) { bytes_.push_back(static_cast<uint8_t>(value)); }
  void U16(size_t value) {
    U8(value >> 8 & 0xff);
    U8(value & 0xff);
  }
  void U32(uint32_t value) {
    U16(value >> 16);
    U16(value & 0xffff);
  }
  void Text(std::string_view text) {
    const ByteView bytes = AsBytes(text);
    bytes_.insert(bytes_.end(), bytes.begin(), bytes.end());
  }
  void Name(const DnsName& name) {
    const std::vector<std::string>& labels = name.labels();
    for (size_t i = 0; i < labels.size(); ++i) {
      const std::vector<std::string> rest(labels.begin() + static_cast<long>(i), labels.end());
      if (const auto known = places_.find(rest); known != places_.end()) {
        return U16(known->second | size_t{kPointer} << 8);
      }
      if (bytes_.size() <= kMaxPointer) places_.emplace(rest, bytes_.size());
      U8(labels[i].size());
      Text(labels[i]);
    }
    U8(0);
  }
  void Record(const DnsRecord& record) {
    Name(record.name);
    U16(static_cast<size_t>(TypeOf(record)));
    U16(record.klass);
    U32(record.ttl);
    const size_t length_at = bytes_.size();
    U16(0);
    std::visit(Overloaded{[](const DnsOther&) {},
                          [&](const DnsTxt& txt) {
                            for (const std::string& text : txt.strings) {
                              BLOBD_CHECK(text.size() <= 255);
                              U8(text.size());
                              Text(text);
                            }
                          },
                          [&](const DnsA& a) { Text(AsText(a.ip)); },
                          [&](const DnsAaaa& aaaa) { Text(AsText(aaaa.ip)); },
                          [&](const DnsSrv& srv) {
                            U16(srv.priority);
                            U16(srv.weight);
                            U16(srv.port);
                            Name(srv.target);
                          }},
               record.data);
    const size_t length = bytes_.size() - length_at - 2;
    bytes_[length_at] = static_cast<uint8_t>(length >> 8);
    bytes_[length_at + 1] = static_cast<uint8_t>(length & 0xff);
  }
  static DnsType TypeOf(const DnsRecord& record) {
    return std::visit(Overloaded{[](const DnsOther&) { return DnsType{}; },
                                 [](const DnsTxt&) { return DnsType::kTxt; },
                                 [](const DnsA&) { return DnsType::kA; },
                                 [](const DnsAaaa&) { return DnsType::kAaaa; },
                                 [](const DnsSrv&) { return DnsType::kSrv; }},
                      record.data);
  }

 private:
  Bytes bytes_;
  std::map<std::vector<std::string>, size_t> places_;
};

bool IsOther(const DnsRecord& record) { return std::holds_alternative<DnsOther>(record.data); }

}  // namespace

std::string DnsTxt::Joined() const {
  std::string joined;
  for (const std::string& text : strings) joined += text;
  return joined;
}

StatusOr<DnsMessage> DnsMessage::Parse(ByteView bytes) {
  if (bytes.size() < kHeader) return InvalidArgument("a DNS message is cut short");
  if (bytes.size() > kMaxSize) return InvalidArgument("a DNS message is too long");
  Reader reader(bytes);
  DnsMessage message;
  message.id = reader.U16();
  const uint16_t flags = reader.U16();
  message.response = (flags & 0x8000) != 0;
  message.authoritative = (flags & 0x0400) != 0;
  message.truncated = (flags & 0x0200) != 0;
  message.code = static_cast<uint8_t>(flags & 0x0f);
  if ((flags & 0x7800) != 0) return InvalidArgument("a DNS message is neither query nor answer");
  const size_t questions = reader.U16();
  const size_t answers = reader.U16();
  const size_t authorities = reader.U16();
  const size_t additionals = reader.U16();
  if (questions + answers + authorities + additionals > kMaxRecords) {
    return InvalidArgument("a DNS message has more than {} records", kMaxRecords);
  }
  for (size_t i = 0; i < questions && reader.ok(); ++i) {
    message.questions.push_back(ReadQuestion(reader));
  }
  for (size_t i = 0; i < answers && reader.ok(); ++i) {
    message.answers.push_back(ReadRecord(reader));
  }
  for (size_t i = 0; i < authorities && reader.ok(); ++i) ReadRecord(reader);
  for (size_t i = 0; i < additionals && reader.ok(); ++i) {
    message.additionals.push_back(ReadRecord(reader));
  }
  if (!reader.ok()) return InvalidArgument("a DNS message is malformed");
  if (reader.left() != 0) return InvalidArgument("there are bytes behind a DNS message");
  return message;
}

Bytes DnsMessage::Encode() const {
  Encoder encoder;
  encoder.U16(id);
  encoder.U16((response ? 0x8000u : 0u) | (authoritative ? 0x0400u : 0u) |
              (truncated ? 0x0200u : 0u) | code);
  const auto known = [](const std::vector<DnsRecord>& records) {
    return records.size() -
           static_cast<size_t>(std::count_if(records.begin(), records.end(), IsOther));
  };
  encoder.U16(questions.size());
  encoder.U16(known(answers));
  encoder.U16(0);
  encoder.U16(known(additionals));
  for (const DnsQuestion& question : questions) {
    encoder.Name(question.name);
    encoder.U16(question.type);
    encoder.U16(question.klass);
  }
  for (const auto* records : {&answers, &additionals}) {
    for (const DnsRecord& record : *records) {
      if (!IsOther(record)) encoder.Record(record);
    }
  }
  return std::move(encoder).Take();
}

}  // namespace blobd::lookup
