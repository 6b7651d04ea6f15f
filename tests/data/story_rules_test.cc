#include "data/story_rules.h"

#include <gtest/gtest.h>

namespace cllm::story {
namespace {

constexpr std::string_view kSmallWords = R"(
child(he): Tom; Ben / he | Mia / she
$H: child
thing: ball | big (red|) drum
)";

TEST(StoryRules, CompilesFormsVariablesGroupsAndCalls) {
  const Rules rules = compile_rules(
      kSmallWords, {"== story\n[^H.he] saw (a|the) [thing].\n  \"Oh!\" said [H]. <end?>\n"
                    "== end\nThe end.\n"});
  EXPECT_EQ(rules.sentences.size(), 3u);
  EXPECT_EQ(rules.beats.size(), 2u);
  EXPECT_EQ(rules.beats[rules.root].alternatives.at(0).size(), 3u);
  ASSERT_EQ(rules.variables.size(), 1u);
  const auto& phrases = rules.categories[rules.variables[0].category].phrases;
  ASSERT_EQ(phrases.size(), 4u);     // two forms, plain and with a capital
  ASSERT_EQ(phrases[0].size(), 3u);  // Tom, Ben, Mia
  EXPECT_EQ(phrases[1][0], phrases[1][1]);
  EXPECT_EQ(rules.tokens[phrases[3][2].at(0)].text, "She");
}

TEST(StoryRules, RefusesFaultyTables) {
  EXPECT_DEATH(compile_rules(kSmallWords, {"== story\n[H] saw a [cow].\n"}), "no category 'cow'");
  EXPECT_DEATH(compile_rules(kSmallWords, {"== story\n[H.they] ran.\n"}), "no form 'they'");
  EXPECT_DEATH(compile_rules(kSmallWords, {"== story\n<tail>\n"}), "beat 'tail'");
  EXPECT_DEATH(compile_rules(kSmallWords, {"== story\nTom (ran|sat.\n"}), "open group");
  EXPECT_DEATH(compile_rules("child(he): Tom", {}), "'Tom'|Tom");
}

// A beat without a full stop or a capital would make sentences that the splitter tears or joins.
TEST(StoryRules, BuiltInSentencesBeginAndEndWell) {
  const Rules& rules = built_in_rules();
  for (const Sequence& sentence : rules.sentences) {
    ASSERT_FALSE(sentence.empty());
    const Element& last = sentence.back();
    ASSERT_EQ(last.kind, Element::Kind::kToken);
    const std::string& text = rules.tokens[last.id].text;
    EXPECT_TRUE(text == "." || text == "!" || text == "?" || text == "\"") << text;
  }
}

TEST(StoryRules, BuiltInStoryHasManyPlots) {
  const Rules& rules = built_in_rules();
  EXPECT_GE(rules.beats[rules.root].alternatives.size(), 20u);
  EXPECT_GE(rules.sentences.size(), 600u);
}

}  // namespace
}  // namespace cllm::story
