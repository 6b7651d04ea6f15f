// Plots of the built-in corpus out of doors and with animals (notation: story_rules.h).
#include "data/story_tables.h"

namespace cllm::story {

const std::string_view kOutdoorPlots = R"(
# Something is built, fails, and is built again.
== plot_build
<build_plan> <build_gather> <build_fail> <build_again> <build_done>

== build_plan
[fine_time], [H] had an idea. "Let us build a [BUILD], so that we can [BUILD.so]!" [said] [H].
[fine_time], [H] and [F] wanted to build a [BUILD]. They wanted to [BUILD.so].
"I wish we had a [BUILD]," [spoke] [F]. "Then let us build one!" said [H].

== build_gather
They needed [BUILD.from] and a [BUILD.tool]. [G] gave them everything.
[H] found [BUILD.from] behind the shed, and [F] borrowed a [BUILD.tool] from [G].
They looked for [BUILD.from] for [number] days. [F] carried the [BUILD.tool].
[F] drew a plan, and [H] brought [BUILD.from].

== build_fail
But as soon as it was finished, it fell apart. [H] was [sad].
It was hard work. When the wind came, the [BUILD] broke into pieces.
The first try did not work, because they had been in a hurry. "[shock]!" [said] [F].
Halfway through, a storm knocked it all down. "Now we have to start again," sighed [F].

== build_again
"We must not give up," [spoke] [F]. So they worked [slowly] and helped each other.
[G] came to look. "You should make the bottom stronger," said [G]. So they did.
[H] thought about it all night. In the morning, [H.he] knew what was wrong.
This time, [F] held everything in place while [H] used the [BUILD.tool].

== build_done
At last, the [BUILD] was ready. It was the best [BUILD] in the whole village.
When it was done, they could [BUILD.so]. "[joy]!" [said] [F].
Now they could [BUILD.so] every day. They painted the [BUILD] [color] and were [happy].

# A storm, a worry, a calm.
== plot_storm
<storm_begin> <storm_strong> <storm_fear> <storm_help> <storm_over>

== storm_begin
[fine_time], [H] was [PLACE.in] with [P] when dark clouds came up.
[fine_time], [H] and [P] were [PLACE.in]. Suddenly the sky became gray.
[fine_time], [H] and [P] walked to the [PLACE]. In the afternoon, the wind began to blow. [H] looked up at the [big] black clouds.

== storm_strong
First, there were a few drops. Then the rain fell so hard that [H] could not see [PLACE.see].
Lightning flashed, and thunder rolled over the [PLACE].
The wind bent the trees and carried [H.his] hat away.
The rain came down like a curtain, and the [PLACE] was soon full of puddles.

== storm_fear
[H] was [scared]. "I want to go home!" cried [H].
"What shall we do?" asked [H]. "We must find a dry place," [reply] [P].
Under a bush, [H] heard a [PET]. It was wet and [scared], just like [H.him].

== storm_help
So they (ran|rushed|hurried|dashed) to a (barn|cave|bus stop|hut|shed) and waited there. [P] sang a song, and [H] sang along.
[P] held [H.his] hand, and they counted the seconds between the flash and the thunder.
[H] found a (barn|cave|bus stop|hut|shed), and [P] followed [H.him] inside. It was dry there, so [H.he] felt a little better.
[P] opened a [big] umbrella. "Come close to me," said [P]. Under it they walked [slowly] to a (barn|cave|bus stop|hut|shed).

== storm_over
After an hour, the rain stopped. A rainbow stood over the [PLACE].
At last, the sun came out again. Every leaf shone like glass.
Soon the storm was over. "Look, a rainbow!" [said] [H].
When the clouds had gone, [H] jumped into the first puddle and [laughed].

# Something frightens the hero.
== plot_brave
<brave_fear> <brave_need> <brave_help?> <brave_go> <brave_truth>

== brave_fear
But [H.he] was afraid of the [FEAR] [FEAR.where].
There was only one thing that made [H.him] [scared]: the [FEAR] [FEAR.where].
Everyone laughed about the [FEAR] [FEAR.where], but not [H].

== brave_need
[fine_time], [H.his] [PET] got lost. [H] heard it crying [FEAR.where].
[fine_time], [G] needed help, and the only way led past the [FEAR].
[fine_time], [H.his] little cousin called for help from far away. Nobody else was near.
[fine_time], [H] said, "Today I will not run away."

== brave_help
"You can hold my hand," [spoke] [G]. But [H] wanted to try alone.
"Everyone is [scared] sometimes," [spoke] [G]. "Brave people go on anyway."
[H] took [H.his] [TOY] along, so that [H.he] was not alone.

== brave_go
[H] took a deep breath and went on, step by step. [^H.his] knees shook, but [H.he] did not stop.
[^H.he] counted to [number], closed [H.his] eyes, and went. "I can do it," whispered [H].
[H] thought of [P] and walked on [slowly].

== brave_truth
And what did [H.he] find? [H] found that [FEAR.truth].
Then [H] had to laugh, because [FEAR.truth].
"It is not so bad!" [said] [H]. Now [H.he] knew that [FEAR.truth].

# A noise in the night.
== plot_noise
<noise_hear> <noise_guess> <noise_go> <noise_found> <noise_sleep>

== noise_hear
[dark_time], [H] heard a strange noise. It went [NOISE].
[dark_time], a [TRAIT] [H.boy] named [H] woke up, because there was a noise. It went [NOISE].
[dark_time], [H] lay in bed and could not sleep. Then came a sound: [NOISE].

== noise_guess
"Is it a ghost?" whispered [H]. [^H.his] [PET] hid under the blanket.
"Perhaps it is a (dragon|giant|troll|pirate|witch|bear|wolf)," thought [H]. [^H.he] pulled the blanket over [H.his] nose.
[H] was [scared], but [H.he] was also curious.
[H] woke up [H.his] [REL]. "Did you hear that?" asked [H].

== noise_go
So [H.he] took a lamp and [walked] down the hall.
[^H.he] got up, put on [H.his] slippers, and [walked] to the door. There it was again: [NOISE].
Because [H.he] was [TRAIT], [H] wanted to find out what it was. The floor was cold under [H.his] feet.

== noise_found
It was only [NOISE.maker]! The reason was simple: [NOISE.why].
There [H.he] saw [NOISE.maker]. "So that was all," said [H], "and I was so [scared]!"
And what was it? It was [NOISE.maker]. [^NOISE.why], and that was all. "So that was my ghost!" [said] [H].

== noise_sleep
[H] laughed at [H.self] and went back to bed.
Then [H] drank some [drink], and soon everything was quiet.
[^H.he] told [P] about it in the morning. "You were very brave," [spoke] [P].
After that, the night was still. [^H.his] [PET] fell asleep first.

# A race.
== plot_race
<race_begin> <race_start> <race_fall> <race_help> <race_end>

== race_begin
[fine_time], there was a [big] [RACER] race [PLACE.in]. The prize was a [PRIZE].
[fine_time], all the children met for the [RACER] race. [H] wanted to win the [PRIZE].
"I am faster than you!" said [F]. "Then let us have a [RACER] race," [said] [H].

== race_start
"Ready, set, go!" cried [G]. Everyone [RACER.verb] as fast as they could.
[G] blew a whistle, and the race began. [H] [RACER.verb] past [PLACE.see].
At first, [H] was ahead, and [F] was close behind.

== race_fall
Suddenly, [F] hit a stone and fell. "Ouch!" [said] [F]. "My knee hurts!"
Then the [RACER] of [F] got stuck in the mud, and [F] began to cry.
But in the last bend, [F] fell over and could not get up.

== race_help
[H] saw the [PRIZE] in front of [H.him], but [H.he] turned back and helped [F].
[H] could have won, but a friend was more important. So [H.he] stopped and held out a hand.
"Are you all right?" asked [H]. [^H.he] pulled [F] up, and they went on together.

== race_end
They came in last, but everyone cheered. [G] gave both of them a [PRIZE].
Another child won the [PRIZE], but [H] did not mind. "You are the real winner," said [G].
They crossed the line hand in hand. "We won together!" [said] [F].

# A seed and patience.
== plot_garden
<garden_seed> <garden_plant> <garden_wait> <garden_trouble?> <garden_grow>

== garden_seed
[fine_time], [P] gave [H] a [small] seed. "What will it be?" asked [H]. "Wait and see," [reply] [P].
[fine_time], [H] found a [small] seed in [H.his] pocket. [^H.he] wondered what it would become.
[fine_time], [H] wanted to have a [PLANT] of [H.his] own, so [P] gave [H.him] a seed.

== garden_plant
[H] dug a hole, put the seed in, and covered it with soil.
[H] planted it beside the fence and gave it a cup of water.
[H] filled a pot with earth and pushed the seed in with [H.his] thumb.

== garden_wait
Every morning, [H] looked at it, but nothing happened. "When will it grow?" asked [H]. "Be patient," [reply] [P].
[H] watered it every day for [number] weeks. [^H.he] even sang to it.
After a week, there was still nothing to see. [H] was [sad], but [P] told [H.him] to wait.

== garden_trouble
Then a [ANIMAL] came and wanted to dig it up. [H] gave it [ANIMAL.food] instead.
One hot week, the leaves hung down, because it had not rained. So [H] carried [number] cans of water.
A snail ate the first leaf, so [H] put it on the grass far away.

== garden_grow
At last, a [small] green leaf came up. It became a [PLANT], and it [PLANT.grow].
In summer, the [PLANT] [PLANT.grow]. Its color was [PLANT.color], and [H] was [happy].
Then, one morning, there it was: a [PLANT]! "[joy]!" [said] [H].

# An animal needs help.
== plot_animal
<animal_find> <animal_what> <animal_care> <animal_name?> <animal_home>

== animal_find
[fine_time], [H] walked to the [PLACE] and heard a [small] sound. "[^ANIMAL.sound]!" It was a [ANIMAL].
[fine_time], [H] was [PLACE.in] when a [ANIMAL] came up to [H.him]. "[^ANIMAL.sound]!" said the [ANIMAL].
[fine_time], [H] found a [small] [ANIMAL] [PLACE.in]. It looked [sad].
On the way home from the [PLACE], [H] saw a [ANIMAL] behind a stone. It was alone.

== animal_what
Its leg was hurt, so it could not walk.
It was hungry, because it had lost its mother.
The [ANIMAL] was cold and [scared]. "You poor thing," [spoke] [H].
It was stuck in a net and could not get out. So [H] pulled the net away [slowly].

== animal_care
[H] gave it [ANIMAL.food] and a warm place to sleep. "[^ANIMAL.sound]," said the [ANIMAL].
[^H.he] wrapped it in [H.his] jacket and brought it to [P]. "It needs rest and [ANIMAL.food]," said [P].
[H] sat with it for a long time and spoke [nicely]. Then it ate [ANIMAL.food].
For [number] days, [H] took care of the [ANIMAL]. [^H.he] fed it [ANIMAL.food] every morning.

== animal_name
[H] called it (Pip|Patch|Button|Snowy|Biscuit|Pepper|Dot|Fluff|Lucky|Muffin). It liked the name.
At night, the [ANIMAL] slept beside [H.his] bed.
Soon the [ANIMAL] followed [H.him] everywhere.

== animal_home
When it was strong again, [H] brought it back to its [ANIMAL.home]. It turned around once more, as if to say thank you.
One morning, its mother stood at the gate. The [ANIMAL] ran to her, and [H] waved.
"It wants to go back to its [ANIMAL.home]," [spoke] [P]. [H] was sad for a moment, but [H.he] let it go.
The [ANIMAL] was [happy] in its [ANIMAL.home]. [H] visited it every week.

# A skill is learned.
== plot_skill
<skill_want> <skill_try> <skill_fail?> <skill_tip> <skill_can>

== skill_want
But [H.he] could not [SKILL] yet. All the other children could.
[H] wanted to learn how to [SKILL].
[fine_time], [H] saw [F] [PLACE.in]. [F] could [SKILL], and [H] wanted to learn it, too.

== skill_try
[H] tried it [number] times, but it did not work.
[fine_time], [H] tried it alone, and it went wrong. "I will never learn it!" cried [H].
At first, it was very hard. [^H.he] wanted to give up.

== skill_fail
Some children laughed, and [H] felt [sad].
[H] threw [H.his] cap on the ground, because [H.he] was so angry.
[^H.his] arms hurt, but [H.he] did not stop.

== skill_tip
"Let me show you," [spoke] [G]. "You have to [SKILL.tip]." [H] listened well.
Then [G] gave [H.him] a tip: "First, [SKILL.tip]."
"[^SKILL.tip]," said [G]. So [H] did it just like that.

== skill_can
[H] [SKILL.step]. Then it got better and better. "[joy]! I can [SKILL]!" [said] [H].
[H] practiced every day. First, [H.he] [SKILL.step], and after [number] weeks, [H.he] could [SKILL].
On the next try, [H] [SKILL.step]. "You see?" said [G]. "You can do it."

# A found thing goes back to its owner.
== plot_treasure
<treasure_find> <treasure_want> <treasure_ask> <treasure_back>

== treasure_find
[fine_time], [H] found a [TREASURE] [PLACE.in]. It lay between [number] stones.
[fine_time], something shone in the grass [PLACE.in]. [H] picked it up. It was a [TREASURE]!
[fine_time], [H] dug a hole [PLACE.in]. Deep in the ground, there was a [TREASURE].

== treasure_want
[H] wanted to keep it, because it was so [nice].
"I am rich!" [said] [H]. But then [H.he] thought about the person who had lost it.
[^H.he] put the [TREASURE] into [H.his] pocket and [walked] on. But somehow [H.he] did not feel [happy].

== treasure_ask
So [H] asked everyone in the village. "Is this your [TREASURE]?" asked [H]. Nobody knew it.
[H] wrote [number] notes and hung them on the trees. They said, "Who has lost a [TREASURE]?"
"I know someone who is looking for a [TREASURE]," [spoke] [P]. "Ask the [OWNER]."

== treasure_back
At last, the [OWNER] came. "That is my [TREASURE]!" cried the [OWNER]. "I have been looking for it for years." The [OWNER] gave [H] a [snack] and thanked [H.him].
It belonged to the [OWNER], who was so [happy] that [H] got [hug].
In the end, [H.he] came to the house of the [OWNER]. The [OWNER] took the [TREASURE] in [OWNER.his] hands and [laughed]. "You are an honest [H.boy]," said the [OWNER].

# Someone has too much work.
== plot_help
<help_need> <help_job> <help_more?> <help_thanks>

== help_need
[fine_time], [H] saw that [G] was very [tired]. There was so much to do.
[fine_time], [G] hurt [G.his] back and could not work.
"I will never finish all this work," [spoke] [G]. [H] put down [H.his] book.
[fine_time], [G] expected guests, and nothing was ready.

== help_job
"Can I help you?" asked [H]. "Yes, you could [JOB]," [reply] [G]. So [H] [JOB.do].
[H] did not say a word. [^H.he] got up and [JOB.do].
First, [H] [JOB.do], and then [H.he] [JOBB.do], too.
"I will [JOB] for you," [spoke] [H]. It took a long time, but [H.he] did it well.

== help_more
[F] came by and saw it. "Wait, I will help you!" said [F]. With two of them, it was fun.
It was harder than [H] had thought, so [H.he] sang a song about a [animal].
Even the [PET] wanted to help, but it only got in the way.

== help_thanks
When everything was done, [G] was [happy]. "What would I do without you?" asked [G].
[G] thanked [H.him] and made a [DISH]. It was [DISH.taste].
"You are a [TRAIT] [H.boy]," said [G]. [H] blushed.

# A wish upon a star.
== plot_wish
<wish_star> <wish_say> <wish_wait> <wish_true>

== wish_star
One clear night, [H] looked at the [star] and made a wish.
One evening, [H] saw a falling star. "Make a wish!" said [P].
At [H.his] window, [H] often looked up at the [star].

== wish_say
"I wish for [wish]," whispered [H].
[^H.he] wished for [wish], but [H.he] did not tell anyone.
"What did you wish for?" asked [P]. "It is a secret," [reply] [H].

== wish_wait
The next morning, nothing had changed. [H] was a little [sad].
[H] waited for [number] days, but nothing came.
"Wishes need help," [spoke] [P]. So [H] began to save [H.his] coins.

== wish_true
There was a knock at the door. It was [F], a [F.boy] from the next street. "Do you want to play [GAME] with me?" asked [F]. Now [H] knew that a friend was better than any wish.
Then [P] came home with a [big] box. Inside was a [GIFT.look] [GIFT]. "[joy]!" [said] [H]. It was not what [H.he] had wished for, but it was even better.
Then [P] took [H.his] hand. "Come, let us go to the [PLACE] together," said [P]. That was better than any wish.

# A day out goes wrong and is good anyway.
== plot_picnic
<picnic_go> <picnic_food> <picnic_trouble> <picnic_idea> <picnic_good>

== picnic_go
[fine_time], [weathery], so [H] and [F] went to the [PLACE].
[fine_time], [F] said, "Let us have a picnic [PLACE.in]!" [H] packed a basket.
Because [weathery], the two friends [walked] to the [PLACE] and looked at [PLACE.see].

== picnic_food
They had a [snack], a [DISH], and a bottle of [drink].
In the basket were [number] sandwiches and a [DISH].
[H] had brought a [snack], and [F] had brought [drink].

== picnic_trouble
But a [ANIMAL] came and ate everything! "[shock]!" [said] [F].
Then [number] ants walked over the blanket, and soon there were (many|hundreds|a lot) more.
Suddenly, it began to rain, and everything got wet.
But the basket fell into the water and floated away.

== picnic_idea
[H] wanted to cry, but [F] began to laugh. Then [H] had to laugh, too.
"We can pick some berries," [spoke] [H]. So they picked a whole hatful.
They sat under a tree and told each other stories about a [trait] [animal].

== picnic_good
"This is the best picnic ever," [spoke] [F].
Then [F] found a [snack] in [F.his] pocket. They shared it, and it had never tasted so good.
On the way back, they sang so loudly that a [PET] joined in.

# The way home is lost.
== plot_way
<way_go> <way_lost> <way_meet> <way_guide> <way_home>

== way_go
[fine_time], [H] walked to the [PLACE] all alone.
[fine_time], [H] followed a [color] butterfly (over the hill|into the trees|along the stream|down a narrow path).
[fine_time], [P] sent [H] to the [OWNER] with a [DISH].

== way_lost
Soon [H.he] did not know the way anymore. All the trees looked the same.
Then fog came up, and [H] could not see the path. "[shock], I am lost!" [said] [H].
[H] turned left, then right, then left again. At last, [H.he] was lost and [scared].

== way_meet
There sat a [ANIMAL] and looked at [H.him]. "[^ANIMAL.sound]," said the [ANIMAL].
[H] met a shepherd with a [color] hat. "Where do you live?" asked the shepherd. "Near [landmark]," [spoke] [H].
[H] sat down on a stone and ate a [snack]. That helped [H.him] to think.

== way_guide
[^H.he] climbed up high and looked around. Far away, [H.he] could see a (church tower|red roof|thin line of smoke|windmill).
"Follow the water," [H.he] remembered. [P] had told [H.him] that. So [H] walked along the stream.
Then [H.he] heard a bell in the distance and went toward it [slowly].

== way_home
Before dark, [H] was home again. [P] stood at the door. "There you are!" cried [P]. "I was so worried."
At last, [H.he] saw a light. It was home! [P] gave [H.him] [hug] and a bowl of soup.
After an hour, [H] stood at [H.his] own gate. "Next time, I will take a map," [spoke] [H].
)";

}  // namespace cllm::story
