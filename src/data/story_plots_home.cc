// Plots of the built-in corpus at home and among friends (notation: story_rules.h).
#include "data/story_tables.h"

namespace cllm::story {

const std::string_view kHomePlots = R"(
# A toy is lost and found.
== plot_lost
<lost_have> <lost_gone> <lost_first> <lost_second?> <lost_found>

== lost_have
[H] had a [TOY.look] [TOY]. [^H.he] wanted to [TOY.use] it every day.
For [H.his] birthday, [H] had got a [TOY.look] [TOY] from [P].
[^H.his] favorite toy was a [TOY.look] [TOY], because [P] had made it.
Of all [H.his] things, [H] loved the [TOY] best.

== lost_gone
[fine_time], the [TOY] was gone. [H] was [sad].
But one day, [H] could not find the [TOY]. "Where is my [TOY]?" asked [H].
[fine_time], [H] wanted to [TOY.use] the [TOY], but it was not in its place. "[shock]! My [TOY] is gone!" [said] [H].
Then, after a long day, [H] looked around and saw no [TOY]. [^H.he] began to cry.

== lost_first
[^H.he] looked [SPOTA], but the [TOY] was not there.
First, [H] searched [SPOTA]. There was nothing but (dust|an old sock|a button|a spider|a pencil|a crumb).
"Did you look [SPOTA]?" asked [P]. [H] looked, but [H.he] found only (an old sock|a lost button|a broken pencil|a dusty coin).

== lost_second
Then [H.he] looked [SPOTB], too. It was (dark|empty|dusty|cold) there.
Next, [P] searched [SPOTB] with a lamp, but there was no [TOY].
"Perhaps it is [SPOTB]," [spoke] [P]. But it was not.
[H] also asked the neighbors, but nobody had seen the [TOY].

== lost_found
Just then, the [PET] ran past and stopped [SPOT]. There was the [TOY]! The [PET] had hidden it because it wanted to play.
At last, [H] stopped and thought hard. [^H.he] remembered that [H.he] had played [SPOT] the day before. So [H.he] looked [SPOT], and there was the [TOY]. "[joy]! I found it!" [said] [H].
Finally, [H] looked [SPOT]. The [TOY] was there, safe and sound. [H] [laughed] and held it tight.
"Think about where you saw it last," [spoke] [P]. [H] closed [H.his] eyes and thought. "[^SPOT]!" [said] [H]. And [H.he] was right.

# Two children meet.
== plot_friend
<friend_alone> <friend_meet> <friend_shy?> <friend_play> <friend_after?>

== friend_alone
[H] was new in the village and had nobody to play with. [^H.he] felt [sad].
[fine_time], [H] sat alone [PLACE.in]. [^H.he] wished for a friend.
[H] was often alone, because the other children lived far away.
[fine_time], [H] played [PLACE.in] all by [H.self]. It was not much fun.

== friend_meet
Then a [F.boy] with a [TOY.look] [TOY] came along. "[hello], my name is [F]," said the [F.boy].
Then [H.he] met a [FTRAIT] [F.boy] named [F]. "[hello]!" said [H]. "[hello]! I am [F]," [spoke] the [F.boy].
Suddenly, a ball rolled up to [H.his] feet. It belonged to a [F.boy] named [F]. "May I have it back?" asked [F].
Soon a [FTRAIT] [F.boy] sat down next to [H]. "Why are you so [sad]?" asked the [F.boy]. "Because I have nobody to play with," [reply] [H]. "Then play with me! I am [F]," [said] the [F.boy].

== friend_shy
[H] was shy at first and looked at [H.his] shoes. But [F] had a kind face, so [H] smiled.
At first, [H] did not know what to say. [F] waited [nicely].
"I like your (hat|coat|shoes|jacket|smile)," [spoke] [H]. [F] grinned.

== friend_play
"Do you want to play [GAME]?" asked [F]. "Yes, please!" [said] [H]. They played [GAME] until (noon|lunch|it got dark|the bell rang).
[F] liked to [HOBBY], too, so they had much to talk about.
They found out that they both loved [HOBBY.ing]. They [laughed] because it was so funny.
[F] had brought a [TOY.look] [TOY], and they took turns with it. "This is fun!" [said] [H].

== friend_after
When it was time to go, [F] gave [H] a [snack].
"Will you come back tomorrow?" asked [H]. "Of course!" said [F].
[H] ran home and told [H.his] [REL] about [F].
[F] had to leave early, but [F.he] promised to come again.

# Something good to eat is baked for a reason.
== plot_bake
<bake_why> <bake_need> <bake_trouble?> <bake_done> <bake_share?>

== bake_why
[fine_time], [H] wanted to make a [DISH] for [P], because it was [P.his] birthday.
"I am hungry," [spoke] [H]. "Then let us make a [DISH]!" said [P].
[P] was [tired] from work, so [H] decided to make a [DISH] for [P.him].
[fine_time], it was raining, and [H] had nothing to do. "We could make a [DISH]," [spoke] [P].
The school held a [big] bake sale, and [H] promised to bring a [DISH].

== bake_need
But they had no [DISH.need] in the kitchen. So [H] [ran] to the shop and bought some.
[^H.he] put on a [color] apron and took out a [big] bowl. [P] brought the [DISH.need].
They needed [DISH.need], and they had just enough left.
[H] washed [H.his] hands and measured the [DISH.need]. [P] stirred [slowly].

== bake_trouble
Oops! [H] dropped a spoon, and there was a mess on the floor. "It does not matter," said [P]. "We can clean it up."
Then [H] forgot to set the timer. It began to smell of smoke. [P] opened the oven just in time.
The cat jumped on the table and knocked over the bowl. They had to start again, but nobody was angry.
[H] almost used salt instead of sugar. "Taste it first," [spoke] [P].

== bake_done
Soon the [DISH] was ready. It was [DISH.taste] and smelled [nice].
After a while, the whole house smelled good. The [DISH] looked [nice].
They waited for an hour. Then [P] took out the [DISH], and [H] clapped [H.his] hands.
"It is ready!" [said] [H]. The [DISH] was so [DISH.taste] that everyone wanted more.

== bake_share
[H] took a piece to the [OWNER] next door, who was [happy].
[P] ate [number] pieces. "You are a great cook," said [P].
They set the table and lit [number] candles.
[H] saved the last piece for [H.his] [REL].

# Something breaks; the truth is told.
== plot_broken
<broken_crash> <broken_fear> <broken_tempt?> <broken_truth> <broken_fix>

== broken_crash
[fine_time], [H] played with a ball in the house. It hit the [BROKEN], and the [BROKEN] broke.
[fine_time], [H] ran through the hall too fast. [H] bumped into the table, and the [BROKEN] fell down. Crash!
[H] wanted to reach a [snack] on the shelf. But [H.his] elbow touched the [BROKEN], and it fell to the floor.

== broken_fear
[H] was [scared], because the [BROKEN] belonged to [P].
"[shock]!" whispered [H]. "What will [P] say?"
[^H.his] heart beat fast. [P] loved that [BROKEN].
There were pieces everywhere. [H] felt [sad].

== broken_tempt
[H] could say that the cat had done it. But that would be a lie.
First, [H.he] wanted to hide the pieces [SPOT]. Then [H.he] changed [H.his] mind.
[H] thought about running away. But [H.he] knew that it was wrong.

== broken_truth
So [H.he] went to [P] and told the truth. "I am sorry," said [H]. "I broke the [BROKEN]."
When [P] came home, [H] took a deep breath. "I broke your [BROKEN], and I am very sorry," [spoke] [H].
"Who did this?" asked [P]. "It was me," [reply] [H]. "I did not mean to do it."

== broken_fix
[P] was not angry. "Thank you for telling me," said [P]. Together they glued the pieces, and the [BROKEN] was almost like new.
[P] gave [H.him] [hug]. "You are more important than a [BROKEN]," said [P].
[H] wanted to buy a new [BROKEN], so [H.he] [JOB.do] for the neighbors. [P] was proud of [H.him].
"Everyone makes mistakes," [spoke] [P]. They swept the floor together, and [H] felt much better.

# Two friends want the same thing.
== plot_share
<share_one> <share_fight> <share_think> <share_turn> <share_more?>

== share_one
[fine_time], [H] brought a [TOY.look] [TOY] to the [PLACE]. [F] wanted to [TOY.use] it, too.
[fine_time], [F] and [H] were [PLACE.in]. There was only one [TOY], but both wanted it.
[H] had a (new|brand-new|precious) [TOY], and [F] had none. [F] looked at it for a long time.

== share_fight
"It is mine!" [said] [H]. [F] turned away and was [sad].
"May I [TOY.use] it?" asked [F]. "No, you may not," said [H].
Both pulled at the [TOY], and it almost broke.
[H] held the [TOY] behind [H.his] back. [F] did not say a word.

== share_think
[H] played alone, but it was boring. [^H.he] missed [F].
Then [H] thought about how [H.he] would feel without a [TOY].
[P] had seen everything. "A [TOY] is more fun with a friend," said [P].
[H] saw a tear on the cheek of [F] and felt [sad].

== share_turn
"I am sorry," said [H]. "You can have the first turn." [F] was [happy].
So [H] held out the [TOY]. "Let us take turns," [spoke] [H].
[H] [ran] over to [F]. "Come and [TOY.use] it with me!" [said] [H].

== share_more
[F] took a [snack] out of [F.his] bag and broke it in two. "This half is for you," [spoke] [F].
Now the [TOY] was twice as much fun.
The next day, [F] brought a [GIFT] and let [H] [GIFT.use] it.
They made a rule: first [H], then [F], then [H] again.

# A present for a friend.
== plot_present
<present_soon> <present_idea> <present_trouble?> <present_party> <present_open>

== present_soon
The birthday of [F] was near. [H] wanted to give [F.him] something special, but [H.he] had no money.
[fine_time], [F] turned (five|six|seven|eight|nine). There was a [big] party [PLACE.in].
"Tomorrow is my birthday," said [F]. [H] began to think about a present.

== present_idea
[H] knew that [F] had always wanted a [GIFT]. So [H] made one out of (wood|old boxes|scraps|things from the attic).
[H] [JOB.do] for the [OWNER] and earned a few coins. With them [H.he] bought a [GIFT.look] [GIFT].
[H] decided to give away [H.his] own [GIFT], because [F] loved it so much.
[P] helped [H] to make a [GIFT.look] [GIFT]. They wrapped it in [color] paper.

== present_trouble
On the way, [H] tripped and fell into a puddle. The paper was wet, but the [GIFT] was fine.
The paper tore, so [H] tied a [color] ribbon around it.
The party had already begun when [H] arrived. [^H.he] had run all the way.

== present_party
There was a [DISH], and there were [number] candles. Everyone sang a song.
The children played [GAME] and ate too much cake.
All the guests wore [color] hats. They danced and sang.

== present_open
[F] opened the present and jumped for joy. "A [GIFT]! Thank you, [H]!" [said] [F].
When [F] saw the [GIFT], [F.his] eyes became [big]. "How did you know?" asked [F].
"[joy]! This is just what I wanted!" [said] [F]. [H] was [happy], because [F] was [happy].

# A friend is ill.
== plot_sick
<sick_absent> <sick_idea> <sick_visit> <sick_talk?> <sick_well>

== sick_absent
[fine_time], [F] was not at school. "[F] is sick and has to stay in bed," said the teacher. [H] was [sad].
[fine_time], [H] went to see [F], but [F] could not come out. [^F.he] had a (cold|fever|sore throat|broken leg|tummy ache).
[F] had a (bad cold|fever|sore throat) and could not play. [H] missed [F.him] very much.

== sick_idea
[H] wanted to cheer up [F]. So [H.he] made a [DISH] with [P].
"What can I do?" asked [H]. "You could visit [F.him]," [reply] [P].
[H] picked [number] [color] flowers and put them into a basket with a [snack].
[H] drew a [big] card, and all the children wrote their names on it.

== sick_visit
[F] lay under a thick blanket and looked [tired]. But when [F.he] saw [H], [F.he] smiled.
"I brought you something," [spoke] [H]. [F] sat up [slowly].
[H] sat beside the bed and read a story about a [trait] [animal].

== sick_talk
"It is boring to be sick," said [F]. So they played cards on the bed.
They looked out of the window and counted [number] [color] birds.
[H] told a joke, and [F] [laughed] so much that the bed shook.

== sick_well
A few days later, [F] was well again. "You were my best medicine," [spoke] [F].
Soon [F] felt better. The first thing [F.he] did was to visit [H].
After a week, [F] could run and jump again. They [ran] to the [PLACE] together.

# Two friends quarrel and make up.
== plot_quarrel
<quarrel_why> <quarrel_apart> <quarrel_sign?> <quarrel_sorry> <quarrel_peace>

== quarrel_why
[fine_time], they played [GAME]. "You did not follow the rules!" [said] [F]. "I did!" [said] [H].
[fine_time], [H] stepped on the [TOY] of [F] by accident, and it broke. [F] was very angry.
[F] had told everyone a secret, so [H] was angry.
[H] wanted to [HOBBY], but [F] wanted to [FHOBBY]. Soon they were shouting at each other.

== quarrel_apart
[F] walked away, and [H] stayed behind. Neither of them looked back.
For [number] days, they did not speak a word.
[H] went home and closed the door with a bang. [^H.he] was angry and [sad] at the same time.

== quarrel_sign
At lunch, [H] sat alone. Even the [snack] did not taste good.
[H] saw [F] [PLACE.in], but [F] looked at the ground.
[P] asked what was wrong, and [H] told [P.him] everything. "Someone has to say sorry first," said [P].

== quarrel_sorry
The next morning, [H] went to the house of [F]. "I am sorry," said [H]. "I was not nice to you."
So [H] wrote a letter. It said, "I miss you. Please be my friend again."
Then they met at the gate. "I am sorry!" said both at the same time, and they [laughed].

== quarrel_peace
"I forgive you," [spoke] [F]. "I am sorry, too." Then all was well.
They shook hands and shared a [snack].
After that, they played [GAME] again, and this time nobody shouted.

# A child gives a show.
== plot_show
<show_plan> <show_practice> <show_nervous> <show_trouble?> <show_end>

== show_plan
[fine_time], [H] and [F] decided to give a [SHOW] for the whole street.
The school wanted to have a [big] show. [H] and [F] chose a [SHOW].
"Let us perform a [SHOW]!" [said] [F]. [H] thought that it was a [nice] idea.

== show_practice
They practiced every day behind the (garage|barn|school|library).
[F] painted [number] signs, and [H] made hats out of [color] paper.
At first, nothing worked, but they did not give up.

== show_nervous
When the evening came, all the chairs were full. [H] was [scared], and [H.his] knees shook.
Before the show, [H] felt [scared]. "Just look at me," [spoke] [F].
"What if I forget everything?" asked [H]. "Then I will help you," [reply] [F].

== show_trouble
In the middle of the [SHOW], the light went out. But [F] found a candle.
Then [H] forgot what came next. [F] whispered it to [H.him].
A [PET] ran across the stage, and everybody laughed. They thought that it was part of the show.

== show_end
At the end, everyone clapped and cheered. [H] and [F] took a deep bow.
The [SHOW] was a success. Even the [OWNER] wiped away a tear.
"More, more!" cried the people. So they did it all again.
)";

}  // namespace cllm::story
