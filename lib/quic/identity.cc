#include "quic/identity.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <sodium.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>

#include "base/check.h"

namespace blobd::quic {
namespace {

constexpr size_t kFileSize = 65;  // 64 hex digits and a newline

class File {
 public:
  explicit File(int fd) : fd_(fd) {}
  File(const File&) = delete;
  File& operator=(const File&) = delete;
  ~File() {
    if (fd_ >= 0) close(fd_);
  }
  int fd() const { return fd_; }

 private:
  const int fd_;
};

// The text of the key file; wiped when it goes away.
struct KeyText {
  std::array<char, kFileSize + 1> text{};  // one more, to notice a file that is too long
  KeyText() = default;
  KeyText(const KeyText&) = delete;
  KeyText& operator=(const KeyText&) = delete;
  ~KeyText() { sodium_memzero(text.data(), text.size()); }
};

// Two lower-case digits per byte into `text`, in constant time: no table lookup by secret values.
void WriteHex(const std::array<uint8_t, 32>& seed, KeyText& out) {
  sodium_bin2hex(out.text.data(), 65, seed.data(), seed.size());
  out.text[64] = '\n';
}

Status SyncDirectoryOf(const std::string& path) {
  const size_t slash = path.rfind('/');
  const std::string directory = slash == std::string::npos ? "." : path.substr(0, slash + 1);
  const File opened(open(directory.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  if (opened.fd() < 0 || fsync(opened.fd()) != 0) {
    return ErrnoStatus(errno, fmt::format("sync {}", directory));
  }
  return OkStatus();
}

Status WriteKeyFile(const std::string& path, const KeyText& key) {
  const File file(open(path.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600));
  if (file.fd() < 0) return ErrnoStatus(errno, fmt::format("create {}", path));
  const ssize_t written = write(file.fd(), key.text.data(), kFileSize);
  if (written != static_cast<ssize_t>(kFileSize)) {
    return ErrnoStatus(written < 0 ? errno : ENOSPC, fmt::format("write {}", path));
  }
  if (fsync(file.fd()) != 0) return ErrnoStatus(errno, fmt::format("sync {}", path));
  return OkStatus();
}

// The key appears under its name only when it is whole and on disk, and never replaces another:
// written beside, then linked. A crash leaves at most the file beside, which the next start
// removes.
Status CreateKeyFile(const std::string& path, const KeyText& key) {
  const std::string beside = path + ".new";
  unlink(beside.c_str());
  Status status = WriteKeyFile(beside, key);
  if (status.ok() && link(beside.c_str(), path.c_str()) != 0) {
    status = ErrnoStatus(errno, fmt::format("link {}", path));
  }
  unlink(beside.c_str());
  BLOBD_RETURN_IF_ERROR(status);
  return SyncDirectoryOf(path);
}

}  // namespace

Identity Identity::FromSeed(ByteView seed) {
  BLOBD_CHECK(seed.size() == 32 && sodium_init() >= 0);
  Identity identity;
  std::memcpy(identity.seed_.data(), seed.data(), seed.size());
  std::array<uint8_t, crypto_sign_ed25519_SECRETKEYBYTES> secret{};
  crypto_sign_ed25519_seed_keypair(identity.node_id_.bytes.data(), secret.data(), seed.data());
  sodium_memzero(secret.data(), secret.size());
  return identity;
}

Identity Identity::Generate() {
  BLOBD_CHECK(sodium_init() >= 0);
  std::array<uint8_t, 32> seed{};
  randombytes_buf(seed.data(), seed.size());
  Identity identity = FromSeed(seed);
  sodium_memzero(seed.data(), seed.size());
  return identity;
}

StatusOr<Identity> Identity::LoadOrCreate(const std::string& path) {
  KeyText key;
  const File file(open(path.c_str(), O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC));
  if (file.fd() < 0) {
    if (errno != ENOENT) return ErrnoStatus(errno, fmt::format("open {}", path));
    Identity identity = Generate();
    WriteHex(identity.seed_, key);
    BLOBD_RETURN_IF_ERROR(CreateKeyFile(path, key));
    return identity;
  }
  struct stat status {};
  if (fstat(file.fd(), &status) != 0) return ErrnoStatus(errno, fmt::format("stat {}", path));
  if (!S_ISREG(status.st_mode)) return FailedPrecondition("{} is not a regular file", path);
  if ((status.st_mode & 077) != 0) {
    return PermissionDenied("{} can be used by others (mode {:o}); want 0600", path,
                            status.st_mode & 0777);
  }
  const ssize_t size = read(file.fd(), key.text.data(), key.text.size());
  if (size < 0) return ErrnoStatus(errno, fmt::format("read {}", path));
  std::array<uint8_t, 32> seed{};
  size_t decoded = 0;
  if (size != static_cast<ssize_t>(kFileSize) || key.text[64] != '\n' ||
      sodium_hex2bin(seed.data(), seed.size(), key.text.data(), 64, nullptr, &decoded, nullptr) !=
          0 ||
      decoded != seed.size()) {
    return DataLoss("{} is not a key: want 64 hex digits and a newline", path);
  }
  Identity identity = FromSeed(seed);
  sodium_memzero(seed.data(), seed.size());
  return identity;
}

std::array<uint8_t, 32> Identity::Secret(std::string_view purpose) const {
  std::array<uint8_t, 32> secret{};
  const ByteView text = AsBytes(purpose);
  BLOBD_CHECK(crypto_generichash(secret.data(), secret.size(), text.data(), text.size(),
                                 seed_.data(), seed_.size()) == 0);
  return secret;
}

Identity::~Identity() { sodium_memzero(seed_.data(), seed_.size()); }

}  // namespace blobd::quic
