#include "control.h"

#include <gtest/gtest.h>
#include <unistd.h>

#include <array>
#include <sstream>
#include <string>

namespace blobd::link {
namespace {

struct Pipe {
  Pipe() {
    std::array<int, 2> ends = {-1, -1};
    EXPECT_EQ(pipe(ends.data()), 0);
    out = Descriptor(ends[0]);
    in = Descriptor(ends[1]);
  }
  Descriptor out;
  Descriptor in;
};

std::string ReadAll(Pipe& pipe) {
  pipe.in = {};
  std::string text;
  std::array<char, 65536> buffer;
  for (ssize_t size = 0; (size = read(pipe.out.get(), buffer.data(), buffer.size())) > 0;)
    text.append(buffer.data(), static_cast<size_t>(size));
  return text;
}

// What a control answers to `input`; its end follows.
std::string Answers(Control& control, const std::string& input, bool expected = true) {
  Pipe commands;
  Pipe answers;
  EXPECT_EQ(write(commands.in.get(), input.data(), input.size()),
            static_cast<ssize_t>(input.size()));
  commands.in = {};
  EXPECT_EQ(control.Run(commands.out.get(), answers.in.get()), expected);
  return ReadAll(answers);
}

TEST(Control, AnswersEachLineWithOne) {
  Control control(1);
  EXPECT_EQ(Answers(control,
                    "nonsense\n\n# comment\nstats home\nset home both delay=1ms\nquit\n"
                    "stats home\n"),
            "error no command nonsense\nok\nok\nerror no link home\nerror no link home\nok\n");
}

TEST(Control, EndsWithItsInput) {
  Control control(1);
  EXPECT_EQ(Answers(control, "dark home on\nunfinished"), "error no link home\n");
}

TEST(Control, ANamespaceThatIsNotThereIsAnError) {
  Control control(1);
  const std::string answer =
      Answers(control, "link home blobd-none 10.0.0.1 blobd-nil 10.0.0.2\nstats home\n");
  EXPECT_EQ(answer.rfind("error ", 0), 0u) << answer;
  EXPECT_NE(answer.find("\nerror no link home\n"), std::string::npos) << answer;
}

TEST(Control, AnswersAreOneLineWhateverIsAsked) {
  Control control(1);
  const std::string answers = Answers(control, std::string("sta\x01\tts\x00x\nquit\n", 15));
  EXPECT_EQ(std::count(answers.begin(), answers.end(), '\n'), 2) << answers;
}

TEST(Control, AnEndlessLineEndsIt) {
  Control control(1);
  EXPECT_EQ(Answers(control, std::string(10'000, 'x')), "");
}

TEST(Control, ALineTooLongIsRefused) {
  Control control(1);
  EXPECT_EQ(Answers(control, std::string(4095, 'x') + "xx\nquit\n"),
            "error the line is too long\nok\n");
}

TEST(Control, AScriptRunsInOrderOfTime) {
  Control control(1);
  std::istringstream script("# never reached: at 2ms\nat 2ms stats home\nat 1ms quit\n");
  ASSERT_TRUE(control.LoadScript(script).ok());
  EXPECT_EQ(Answers(control, ""), "");
}

TEST(Control, AScriptThatFailsEndsIt) {
  Control control(1);
  std::istringstream script("at 1ms dark home on\nat 1min quit\n");
  ASSERT_TRUE(control.LoadScript(script).ok());
  EXPECT_EQ(Answers(control, "", false), "");
}

TEST(Control, AScriptWithABadLineIsNotTaken) {
  Control control(1);
  std::istringstream script("at 1min quit\n\nset home\n");
  const Status loaded = control.LoadScript(script);
  EXPECT_EQ(loaded.code(), StatusCode::kInvalidArgument);
  EXPECT_EQ(Message(loaded).rfind("line 3: ", 0), 0u) << Message(loaded);
  EXPECT_EQ(Answers(control, "quit\n"), "ok\n");
}

TEST(Control, LaterCommandsAreTakenFromItsInputToo) {
  Control control(1);
  EXPECT_EQ(Answers(control, "at 0 stats home\nat 0 quit\nstats home\n"),
            "error stats are for now, or for a script\nok\nerror no link home\n");
}

}  // namespace
}  // namespace blobd::link
