#include "daemon/node_key.h"

#include <fcntl.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <cstdlib>
#include <cstring>

#include "base/bytes.h"

namespace blobd::daemon {
namespace {

constexpr size_t kDigits = 64;

// Wiped when it goes away.
template <typename T, size_t N>
struct Secret {
  std::array<T, N> bytes{};
  Secret() = default;
  Secret(const Secret&) = delete;
  Secret& operator=(const Secret&) = delete;
  ~Secret() { explicit_bzero(bytes.data(), N * sizeof(T)); }
};

// -1 if it is no hexadecimal digit.
int Digit(char c) {
  if (c >= '0' && c <= '9') return c - '0';
  if (c >= 'a' && c <= 'f') return c - 'a' + 10;
  if (c >= 'A' && c <= 'F') return c - 'A' + 10;
  return -1;
}

StatusOr<quic::Identity> ReadCredential(const std::string& path, int fd) {
  Secret<char, kDigits + 2> text;  // one more than with a newline, to notice what is too long
  size_t size = 0;
  for (;;) {
    const ssize_t got = read(fd, text.bytes.data() + size, text.bytes.size() - size);
    if (got < 0 && errno == EINTR) continue;
    if (got < 0) return ErrnoStatus(errno, "read " + path);
    if (got == 0 || (size += static_cast<size_t>(got)) == text.bytes.size()) break;
  }
  const bool right_size = size == kDigits || (size == kDigits + 1 && text.bytes[kDigits] == '\n');
  Secret<uint8_t, kDigits / 2> seed;
  bool is_key = right_size;
  for (size_t i = 0; is_key && i < seed.bytes.size(); ++i) {
    const int high = Digit(text.bytes[2 * i]);
    const int low = Digit(text.bytes[2 * i + 1]);
    is_key = high >= 0 && low >= 0;
    if (is_key) seed.bytes[i] = static_cast<uint8_t>(high << 4 | low);
  }
  if (!is_key) return DataLoss("the credential {} is not a key: want 64 hex digits", path);
  return quic::Identity::FromSeed(ByteView(seed.bytes.data(), seed.bytes.size()));
}

}  // namespace

StatusOr<NodeKey> LoadNodeKey(const std::string& path) {
  const char* directory = std::getenv("CREDENTIALS_DIRECTORY");
  if (directory != nullptr && *directory == '/') {
    const std::string credential = std::string(directory) + "/" + kNodeKeyCredential;
    const int fd = open(credential.c_str(), O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
    if (fd < 0 && errno != ENOENT) return ErrnoStatus(errno, "open " + credential);
    if (fd >= 0) {
      auto identity = ReadCredential(credential, fd);
      close(fd);
      if (!identity.ok()) return identity.status();
      return NodeKey{*identity, true};
    }
  }
  BLOBD_ASSIGN_OR_RETURN(const quic::Identity identity, quic::Identity::LoadOrCreate(path));
  return NodeKey{identity, false};
}

}  // namespace blobd::daemon
