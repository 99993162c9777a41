#include "client/data_channel.h"

#include <poll.h>
#include <sys/socket.h>
#include <sys/un.h>

#include <array>
#include <cerrno>
#include <cstring>

#include "blobd/v1/data_socket.pb.h"
#include "client/descriptor.h"
#include "client/reason.h"

namespace blobd::client {
namespace {

constexpr int kInterruptCheckMs = 100;
constexpr size_t kMaxAnswerBytes = 64 * 1024;

// Room for one descriptor in a message.
union Control {
  cmsghdr align;
  std::array<char, CMSG_SPACE(sizeof(int))> bytes;
};

StatusOr<Descriptor> ConnectTo(const std::string& path) {
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  if (path.empty() || path.size() >= sizeof address.sun_path)
    return Unavailable("the data socket has no usable path");
  std::memcpy(address.sun_path, path.c_str(), path.size() + 1);
  Descriptor connection(socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0));
  if (connection.get() < 0 ||
      connect(connection.get(), reinterpret_cast<sockaddr*>(&address), sizeof address) != 0) {
    return Unavailable("cannot reach the data socket {}: {}", path, std::strerror(errno));
  }
  return connection;
}

// `file` -1: no descriptor.
Status SendRequest(int connection, const std::string& token, int file) {
  v1::DataRequest request;
  request.set_token(token);
  std::string bytes = request.SerializeAsString();
  iovec piece{bytes.data(), bytes.size()};
  msghdr message{};
  message.msg_iov = &piece;
  message.msg_iovlen = 1;
  Control control{};
  if (file >= 0) {
    message.msg_control = &control;
    message.msg_controllen = sizeof control;
    cmsghdr* header = CMSG_FIRSTHDR(&message);
    header->cmsg_level = SOL_SOCKET;
    header->cmsg_type = SCM_RIGHTS;
    header->cmsg_len = CMSG_LEN(sizeof file);
    std::memcpy(CMSG_DATA(header), &file, sizeof file);
  }
  // What was turned away before it could ask is told why by the answer.
  if (sendmsg(connection, &message, MSG_NOSIGNAL) < 0 && errno != EPIPE && errno != ECONNRESET)
    return Unavailable("cannot send to the data socket: {}", std::strerror(errno));
  return OkStatus();
}

struct Answer {
  v1::DataAnswer message;
  Descriptor file;
};

StatusOr<Answer> Receive(int connection, const Stopped& stopped) {
  pollfd waiting{connection, POLLIN, 0};
  for (;;) {
    const int ready = poll(&waiting, 1, kInterruptCheckMs);
    if (ready > 0 || (ready < 0 && errno != EINTR)) break;
    BLOBD_RETURN_IF_ERROR(stopped());
  }
  BLOBD_RETURN_IF_ERROR(stopped());
  std::string bytes(kMaxAnswerBytes, '\0');
  iovec piece{bytes.data(), bytes.size()};
  Control control{};
  msghdr message{};
  message.msg_iov = &piece;
  message.msg_iovlen = 1;
  message.msg_control = &control;
  message.msg_controllen = sizeof control;
  ssize_t size = 0;
  do {
    size = recvmsg(connection, &message, MSG_CMSG_CLOEXEC);
  } while (size < 0 && errno == EINTR);
  Answer answer;
  if (const cmsghdr* header = CMSG_FIRSTHDR(&message);
      size > 0 && header != nullptr && header->cmsg_type == SCM_RIGHTS) {
    int file = -1;
    std::memcpy(&file, CMSG_DATA(header), sizeof file);
    answer.file = Descriptor(file);
  }
  if (size <= 0 || !answer.message.ParseFromArray(bytes.data(), static_cast<int>(size)))
    return Unavailable("the daemon closed the data socket without an answer");
  return answer;
}

// One exchange; gives the last answer.
StatusOr<Answer> Exchange(const std::string& path, const std::string& token, int file,
                          const std::function<void(uint64_t)>& progress, const Stopped& stopped) {
  BLOBD_ASSIGN_OR_RETURN(const Descriptor connection, ConnectTo(path));
  BLOBD_RETURN_IF_ERROR(SendRequest(connection.get(), token, file));
  for (;;) {
    BLOBD_ASSIGN_OR_RETURN(Answer answer, Receive(connection.get(), stopped));
    if (answer.message.has_error()) {
      const v1::DataError& error = answer.message.error();
      Status status =
          MakeStatus(static_cast<StatusCode>(error.code()), std::string_view(error.message()));
      SetReason(error.reason(), &status);
      return status;
    }
    if (!answer.message.has_progress()) return answer;
    if (progress) progress(answer.message.progress().done_bytes());
  }
}

}  // namespace

StatusOr<OpenedBlob> TakeBlob(const v1::OpenResponse& open, const Stopped& stopped) {
  BLOBD_ASSIGN_OR_RETURN(Answer answer,
                         Exchange(open.data_socket(), open.token(), -1, nullptr, stopped));
  if (!answer.message.has_opened() || answer.file.get() < 0)
    return Unavailable("the daemon gave no descriptor");
  return OpenedBlob(answer.file.Release(), answer.message.opened().size());
}

StatusOr<v1::AddResponse> HandIn(const v1::ImportResponse& import, int file,
                                 const std::function<void(uint64_t)>& progress,
                                 const Stopped& stopped) {
  BLOBD_ASSIGN_OR_RETURN(const Answer answer,
                         Exchange(import.data_socket(), import.token(), file, progress, stopped));
  if (!answer.message.has_imported()) return Unavailable("the daemon did not say what it took in");
  v1::AddResponse response;
  response.set_hash(answer.message.imported().hash());
  response.set_size(answer.message.imported().size());
  response.set_existed(answer.message.imported().existed());
  return response;
}

}  // namespace blobd::client
