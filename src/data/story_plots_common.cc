// Beats every story of the built-in corpus may use, and the list of plots (notation:
// story_rules.h).
#include "data/story_tables.h"

namespace cllm::story {

const std::string_view kCommonBeats = R"(
== story
<intro> <plot_lost> <end_alone>
<intro> <plot_friend> <end_pair>
<intro> <meet_friend> <plot_build> <end_pair>
<intro> <plot_storm> <end_alone>
<intro> <meet_friend> <plot_share> <end_pair>
<intro> <plot_brave> <end_alone>
<plot_noise> <end_alone>
<intro> <plot_bake> <end_alone>
<intro> <meet_friend> <plot_race> <end_pair>
<intro> <plot_garden> <end_alone>
<intro> <meet_friend> <plot_present> <end_pair>
<intro> <meet_friend> <plot_sick> <end_pair>
<intro> <plot_animal> <end_alone>
<intro> <plot_broken> <end_alone>
<intro> <plot_skill> <end_alone>
<intro> <meet_friend> <plot_quarrel> <end_pair>
<intro> <plot_treasure> <end_alone>
<intro> <plot_help> <end_alone>
<intro> <plot_wish> <end_alone>
<intro> <meet_friend> <plot_picnic> <end_pair>
<intro> <meet_friend> <plot_show> <end_pair>
<intro> <plot_way> <end_alone>

== intro
Once upon a time, there was a [TRAIT] [H.boy] named [H]. <home?> <likes>
Once there was a [H.boy] called [H]. [^H.he] was very [TRAIT]. <likes>
There once lived a [TRAIT] [H.boy] whose name was [H]. <home> <likes?>
[H] was a [TRAIT] [H.boy]. <home> <likes?>
[H] was a [TRAIT] little [H.boy] who lived in a [home] near [landmark]. <likes>
In a [home] by [landmark] lived a [H.boy] named [H]. <likes>
Everyone in the village knew [H], because [H.he] was such a [TRAIT] [H.boy]. <likes>
This is a story about a [TRAIT] [H.boy] named [H]. <home?> <likes?>
Long ago, a [TRAIT] [H.boy] named [H] lived near [landmark]. <likes?>

"[hello]!" said [H] to everyone [H.he] met. [^H.he] was a [TRAIT] [H.boy]. <home> <likes?>
Near [landmark] there was a [home]. There lived [H], a [TRAIT] [H.boy] with (red|dark|curly|brown|long) hair. <likes>
Have you heard of [H]? [^H.he] was the most [TRAIT] [H.boy] in the whole town. <likes>
When [H] was (five|six|seven|eight) years old, [H.he] lived in a [home]. [^H.he] was a [TRAIT] [H.boy]. <likes?>
[H] and [H.his] [REL] lived far from the city. [H] was [TRAIT], and [H.his] [REL] loved [H.him] very much. <likes>

== home
[^H.he] lived with [H.his] [REL] in a [home] near [landmark].
[H] and [H.his] [REL] lived in a [home].
[^H.his] house stood (near|close to|not far from) [landmark].
[^H.he] shared a [small] room with a [PET] that (slept|ate|played) all day.

== likes
[^H.he] loved to [HOBBY].
More than anything, [H.he] liked to [HOBBY].
[^H.he] liked to [HOBBY] (every day|after school|on weekends|in the evening).
Most of all, [H] enjoyed [HOBBY.ing].
[^H.his] favorite thing was [HOBBY.ing].

If you asked [H.him], [H.he] would say, "I love [HOBBY.ing]!"
[^H.he] could [HOBBY] for hours, and [H.he] never got tired of it.
Whenever [H.he] had time, [H] would [HOBBY].
"Today I want to [HOBBY]," [H] said to [H.his] [REL] almost every morning.
Some children like sweets, but [H] liked [HOBBY.ing] even better.

== meet_friend
[^H.his] best friend was [F].
[^H.his] friend [F] lived (next door|across the street|on the same street|two houses away).
[H] had a good friend named [F], who liked to [FHOBBY].
[H] and [F] were friends. They (played together every day|walked to school together|shared everything|always played [GAME]).
[^H.he] spent most days with [F], a [FTRAIT] [F.boy] who loved [FHOBBY.ing].

[F] lived close by, and the two of them often played [GAME].
Whenever [H] laughed, [H.his] friend [F] laughed, too.
[^H.he] and [F] had been friends since they were [small].

== end_alone
[H] ran home [quickly], because [H.he] wanted to tell [H.his] [REL] everything.
In the evening, [H] drew a picture of it all and hung it on the wall.
"May I stay up a little longer?" asked [H]. But [H.his] eyes were already closing.
Outside, the moon came up, and the whole house was quiet.
[^H.his] [REL] smiled and gave [H.him] [hug].
That night, [H] fell asleep with a smile.
[H] went to bed [tired] but [happy].
[^H.he] felt [happy]. <moral?>
"This was the best day ever," [H] said before [H.he] fell asleep.
It was a day that [H] would never forget. <moral?>
[H] told [H.his] [REL] all about it, and they [laughed] together.
At bedtime, [H] thought about the day and felt [happy]. <moral?>
And so the day ended well. <moral>
When the stars came out, [H] was already asleep.
After that, [H] drank a cup of [drink] and felt [happy].

== end_pair
From that day on, [H] and [F] were the best of friends. <moral?>
[H] and [F] walked home hand in hand.
They sang and played until the sun went down.
"You are a true friend," [spoke] [H]. <moral?>
Both friends went home [tired] but [happy].
[H] and [F] promised to help each other forever. <moral?>
Then they drank [drink] together and talked about the day.
[F] gave [H] [hug], and [H] felt [happy]. <moral>
"Let us do this again tomorrow," [spoke] [H]. [F] nodded.
And so [H] and [F] had a [nice] day together. <moral?>
They were both [happy], and they never forgot that day.

Before they said good night, [F] asked, "Shall we meet tomorrow?" [H] nodded [quickly].
On the way home, [H] and [F] ate a [snack] and sang a song.
"I am so glad that you are my friend," [spoke] [H]. <moral?>
That night, both of them dreamed of (a flying ship|new games|a castle in the clouds|an island full of fruit|a friendly dragon).

== moral
Now [H] knew that it is never too late to do the right thing.
Whoever has a friend is never poor.
[H] learned that [TRAIT.ness] can make a hard day better.
Sometimes a little [TRAIT.ness] is all we need.
It is good to (try again|ask for help|tell the truth|be kind|share|listen).
[H] had learned (that small steps lead far|that nobody has to do everything alone|that a kind word costs nothing|that it helps to ask).
A good heart is worth more than gold.
Good things take time.
)";

}  // namespace cllm::story
