#include "rpc/import_source.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <unistd.h>

#include <deque>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "base/mutex.h"
#include "base/test_directory_for_test.h"
#include "store/descriptor.h"

namespace blobd::rpc {
namespace {

store::Descriptor Open(const std::string& path, int flags) {
  return store::Descriptor(open(path.c_str(), flags | O_CLOEXEC, 0600));
}

TEST(ImportSource, IsARegularFileOpenedForReading) {
  const TestDirectory directory;
  const std::string path = directory.File("source");
  const store::Descriptor made = Open(path, O_RDWR | O_CREAT);
  EXPECT_TRUE(CheckImportSource(made.fd()).ok()) << CheckImportSource(made.fd());
  EXPECT_TRUE(CheckImportSource(Open(path, O_RDONLY).fd()).ok());
  EXPECT_TRUE(CheckImportSource(store::Descriptor(memfd_create("x", MFD_CLOEXEC)).fd()).ok());
  unlink(path.c_str());
  EXPECT_TRUE(CheckImportSource(made.fd()).ok()) << "its name does not matter";
}

TEST(ImportSource, OtherThingsAreRefused) {
  const TestDirectory directory;
  const std::string path = directory.File("source");
  Open(path, O_RDWR | O_CREAT);
  int ends[2] = {-1, -1};
  ASSERT_EQ(pipe(ends), 0);
  const store::Descriptor write_end(ends[1]);
  struct Case {
    const char* name;
    store::Descriptor descriptor;
  };
  std::vector<Case> cases;
  cases.push_back({"write only", Open(path, O_WRONLY)});
  cases.push_back({"a path only", Open(path, O_PATH)});
  cases.push_back({"a directory", Open(testing::TempDir(), O_RDONLY | O_DIRECTORY)});
  cases.push_back({"a pipe", store::Descriptor(ends[0])});
  cases.push_back({"a device", Open("/dev/zero", O_RDONLY)});
  cases.push_back({"a socket", store::Descriptor(socket(AF_UNIX, SOCK_STREAM, 0))});
  for (const Case& c : cases) {
    ASSERT_TRUE(c.descriptor.is_open()) << c.name;
    EXPECT_EQ(CheckImportSource(c.descriptor.fd()).code(), StatusCode::kInvalidArgument) << c.name;
  }
  unlink(path.c_str());
}

// They call themselves regular files, and reading them may wait for ever.
TEST(ImportSource, FileSystemsThatKeepOneWaitingAreRefused) {
  for (const char* path : {"/proc/self/status", "/proc/kmsg", "/sys/kernel/mm/ksm/run"}) {
    const store::Descriptor file = Open(path, O_RDONLY);
    if (!file.is_open()) continue;
    EXPECT_EQ(CheckImportSource(file.fd()).code(), StatusCode::kUnimplemented) << path;
  }
}

class Queue final : public Executor {
 public:
  void Post(Task task) override {
    const MutexLock lock(mutex_);
    tasks_.push_back(std::move(task));
    posted_.NotifyAll();
  }
  // Waits for one task and runs it.
  void RunOne() {
    Task task;
    {
      const MutexLock lock(mutex_);
      while (tasks_.empty()) posted_.Wait(mutex_);
      task = std::move(tasks_.front());
      tasks_.pop_front();
    }
    task();
  }

 private:
  Mutex mutex_;
  CondVar posted_;
  std::deque<Task> tasks_;
};

TEST(SourceInspector, CountsWhatItLooksAtUntilThatIsOver) {
  const auto loop = std::make_shared<Queue>();
  SourceInspector inspector(loop, {2, 3, 0});
  constexpr uint32_t kAnn = 1000;
  constexpr uint32_t kJoe = 1001;
  std::vector<StatusOr<store::Descriptor>> answers;
  const auto look_at = [&](uint32_t uid, store::Descriptor descriptor) {
    ASSERT_TRUE(inspector.MayTake({uid}));
    inspector.Inspect({uid}, std::move(descriptor), [&](StatusOr<store::Descriptor> answer) {
      answers.push_back(std::move(answer));
    });
  };
  look_at(kAnn, store::Descriptor(memfd_create("x", MFD_CLOEXEC)));
  look_at(kAnn, Open("/dev/zero", O_RDONLY));
  EXPECT_FALSE(inspector.MayTake({kAnn}));
  EXPECT_TRUE(inspector.MayTake({kJoe}));
  std::vector<store::Descriptor> unwanted;
  unwanted.push_back(Open("/dev/zero", O_RDONLY));
  inspector.Close({kJoe}, std::move(unwanted));
  EXPECT_FALSE(inspector.MayTake({kJoe})) << "all together have three";
  for (int i = 0; i < 5; ++i) loop->RunOne();  // two answers, and three that are over
  ASSERT_EQ(answers.size(), 2u);
  EXPECT_NE(answers[0].ok(), answers[1].ok()) << "in any order";
  EXPECT_TRUE(inspector.MayTake({kAnn}));
  EXPECT_TRUE(inspector.MayTake({kJoe}));
}

// As a process that has as many as it may.
TEST(SourceInspector, WithoutThreadsNobodyWaits) {
  const auto loop = std::make_shared<Queue>();
  bool has_threads = false;
  SourceInspector inspector(loop, {1, 3, 0}, [&](const std::shared_ptr<Task>& work) -> Status {
    if (!has_threads) return Unavailable("there is no thread for it");
    (*work)();
    return OkStatus();
  });
  int ends[2];
  ASSERT_EQ(pipe2(ends, O_CLOEXEC | O_NONBLOCK), 0);
  const store::Descriptor read_end(ends[0]);
  StatusOr<store::Descriptor> answer = NotFound("no answer");
  ASSERT_TRUE(inspector.MayTake({1000}));
  inspector.Inspect({1000}, store::Descriptor(ends[1]),
                    [&](StatusOr<store::Descriptor> a) { answer = std::move(a); });
  loop->RunOne();
  EXPECT_EQ(answer.status().code(), StatusCode::kUnavailable);
  char byte = 0;
  EXPECT_EQ(read(read_end.fd(), &byte, 1), -1) << "closing may wait, too: it is not done here";
  EXPECT_FALSE(inspector.MayTake({1000})) << "it counts until it is closed";
  has_threads = true;
  EXPECT_FALSE(inspector.MayTake({1000}));
  EXPECT_EQ(read(read_end.fd(), &byte, 1), 0);
  loop->RunOne();
  EXPECT_TRUE(inspector.MayTake({1000}));
}

}  // namespace
}  // namespace blobd::rpc
