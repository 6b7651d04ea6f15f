// Word lists of the built-in corpus (notation: story_rules.h). Forms tie what belongs together: a
// child and its pronouns, an animal and its voice, food and home, a toy and what one does with it.
#include "data/story_tables.h"

namespace cllm::story {

const std::string_view kWords = R"(
child(he,him,his,self,boy):
  Tom; Ben; Sam; Max; Leo; Finn; Jack; Noah; Theo; Oscar; Hugo; Felix; Milo; Owen; Luke; Henry; Oliver; Eli; Toby; Ned; Walter; Peter; Simon; Daniel; Jonas; Anton; Emil; Carl; Victor; Rufus; Jasper; Otis; Arthur; Kofi; Omar; Ravi; Mateo; Pablo; Kenji; Ivan / he / him / his / himself / boy
  Lily; Mia; Anna; Zoe; Ruby; Ella; Nora; Ivy; Clara; Rosa; Emma; Lucy; Maya; Alice; Hazel; Molly; Daisy; Sara; Nina; Olive; Eva; Greta; Tilda; Penny; Sophie; Martha; Flora; Iris; Wendy; Kate; Amina; Leila; Priya; Yuki; Elena; Carmen; Ingrid; Fatima; Esther; Joy / she / her / her / herself / girl
$H: child
$F: child
grown(he,him,his):
  Dad; Grandpa; Uncle Joe; Uncle Frank; Mister Brown; Mister Lee / he / him / his
  Mom; Grandma; Aunt Rose; Aunt May; Missus Green; Missus Hill / she / her / her
$G: grown
parent(he,him,his):
  Dad; Grandpa / he / him / his
  Mom; Grandma / she / her / her
$P: parent

# toy: what one does with it; how it is
toy(use,look):
  kite / fly / red | ball / throw / bouncy | toy boat / sail / wooden | drum / beat / loud
  teddy bear / hug / soft | train / push / shiny | doll / dress / pretty | puzzle / solve / tricky
  spinning top / spin / striped | yo-yo / swing / yellow | whistle / blow / silver | scarf / wear / woolen
  toy truck / drive / green | hobby horse / ride / painted | paper plane / throw / white
  puppet / play with / funny | magnet / play with / strong | marble / roll / glass
  storybook / read / old | flute / play / little | blanket / carry / cozy | robot / steer / clever
  crayon box / open / new | tambourine / shake / jolly | toy rocket / launch / orange | cap / wear / checkered
$TOY: toy
$GIFT: toy

trait(ness): kind / kindness | brave / courage | curious / curiosity | clever / cleverness | patient / patience
  cheerful / good cheer | gentle / gentleness | honest / honesty | careful / care | lively / energy
  friendly / friendliness | helpful / help | thoughtful / thoughtfulness | hopeful / hope | playful / playfulness
  polite / politeness | bold / boldness | generous / generosity | quiet / calm | merry / laughter
$TRAIT: trait
$FTRAIT: trait

hobby(ing): paint pictures / painting pictures | climb trees / climbing trees | sing songs / singing songs
  collect shells / collecting shells | ride a bike / riding a bike | count the stars / counting the stars
  build towers / building towers | chase butterflies / chasing butterflies | read about dragons / reading about dragons
  jump in puddles / jumping in puddles | draw maps / drawing maps | dance in the kitchen / dancing in the kitchen
  tell jokes / telling jokes | feed the ducks / feeding the ducks | hunt for treasure / hunting for treasure
  look at clouds / looking at clouds | pick berries / picking berries | plant seeds / planting seeds
  skip stones / skipping stones | play hide and seek / playing hide and seek | write poems / writing poems
  make paper hats / making paper hats | watch beetles / watching beetles | roll down hills / rolling down hills
  listen to old tales / listening to old tales | fold paper birds / folding paper birds
$HOBBY: hobby
$FHOBBY: hobby

place(in,see):
  park / in the park / the tall trees | beach / at the beach / the shining waves | farm / on the farm / the brown cows
  river / by the river / the slow boats | forest / in the forest / the old oaks | market / at the market / the bright stalls
  meadow / in the meadow / the wild flowers | hill / on the hill / the whole valley | lake / by the lake / the gray swans
  orchard / in the orchard / the apple trees | harbor / at the harbor / the fishing boats | garden / in the garden / the busy bees
  playground / on the playground / the long slide | village square / in the village square / the stone fountain
  windmill / by the windmill / the turning sails | bridge / by the bridge / the fast water | pond / by the pond / the water lilies
  old castle / at the old castle / the broken tower | train station / at the train station / the steam engine
  vegetable field / in the vegetable field / the fat pumpkins | waterfall / by the waterfall / the white foam
$PLACE: place

# small animals a child may help or meet: voice, food, home, cry
animal(sound,food,home):
  kitten / meow / milk / basket | puppy / woof / a bone / kennel | duckling / quack / bread crumbs / pond
  lamb / baa / clover / field | chick / cheep / corn / barn | piglet / oink / turnips / sty
  owl / hoot / a berry / hollow tree | squirrel / chitter / nuts / oak tree | mouse / squeak / cheese / hole
  frog / croak / water / pond | goat / bleat / hay / shed | badger / grunt / worms / tunnel
  fawn / whimper / leaves / thicket | rabbit / sniff / lettuce / burrow | hedgehog / snuffle / a pear / leaf pile
  sparrow / chirp / seeds / nest | fox cub / yip / a plum / den | turtle / tap / cabbage / stream
  goose / honk / barley / yard | parrot / squawk / grapes / cage | otter / splash / a radish / riverbank
$ANIMAL: animal
pet: kitten | puppy | rabbit | hamster | parrot | guinea pig | turtle | cat | little dog | mouse
$PET: pet

spot: under the bed | behind the sofa | in the laundry basket | under the kitchen table | in the wardrobe
  behind the curtain | under the stairs | on top of the bookshelf | in the cookie jar | beside the stove
  inside a rubber boot | behind the flower pots | under the porch | in the wheelbarrow | in the mailbox
  on the windowsill | in the toolbox | under a pile of leaves | behind the garden gate | in the bathtub
$SPOT: spot
$SPOTA: spot
$SPOTB: spot

# food to bake or share: what it needs, its smell
dish(need,taste):
  cake / flour / sweet | pie / apples / fruity | loaf of bread / yeast / warm and fresh | pot of soup / carrots / rich
  batch of cookies / sugar / crunchy | tray of muffins / blueberries / soft | pizza / tomatoes / cheesy
  stack of pancakes / eggs / golden | pudding / cream / creamy | tart / cherries / sour and sweet
  salad / cucumbers / crisp | stew / potatoes / hot and salty | bowl of porridge / oats / smooth
  gingerbread house / honey / spicy | pan of waffles / butter / buttery | jar of jam / raspberries / sticky
$DISH: dish
snack: apple | orange | banana | pear | muffin | sandwich | peach | cookie | cheese roll | pretzel | plum
  ice cream | honey cake | slice of melon | bag of nuts | boiled egg | bun | biscuit | apricot | cupcake
$SNACK: snack

# things to build: material, tool, purpose
building(from,tool,so):
  tree house / boards / hammer / see the whole street | sandcastle / wet sand / shovel / have a castle like a king
  birdhouse / thin planks / saw / give the birds a home | raft / logs / knife / float across the pond
  snow fort / packed snow / bucket / hide from snowballs | tent / two sheets / string / sleep outside
  go-cart / an old crate / wrench / roll down the lane | bridge / flat stones / shovel / cross the stream
  scarecrow / straw / needle / keep the crows away | swing / a thick branch / rope / fly up to the sky
  kennel / wood / hammer / keep the dog dry | den / branches / knife / have a secret place
  lighthouse / cardboard / glue / play sailors | puppet theater / a big box / paintbrush / put on a show
  stone oven / bricks / trowel / bake bread outside | telescope / paper tubes / tape / look at the moon
$BUILD: building

plant(grow,color): sunflower / grew taller than the fence / yellow | bean / climbed up a pole / green | pumpkin / grew as big as a wheel / orange
  tomato plant / filled up with fruit / red | rosebush / opened its first bud / pink | apple tree / reached the window / green
  tulip / stood straight as a soldier / purple | strawberry plant / crept over the soil / red | carrot / had the longest root in the row / orange
  cornstalk / rustled in the breeze / golden | lavender bush / smelled like summer / violet | poppy / danced in the wind / scarlet
$PLANT: plant

skill(tip,step):
  swim / kick with your feet / floated for a moment | ride a bicycle / look ahead and keep pedaling / rolled a few feet
  whistle / make your lips round / made a tiny sound | skate / bend your knees / slid along the ice
  juggle / watch the balls at the top / caught two balls | play the violin / hold the bow lightly / played one clear note
  tie a knot / make a loop first / made a crooked bow | jump rope / listen to the rhythm / jumped three times
  write a letter / draw each line slowly / wrote the first word | sew / pull the thread gently / sewed one button
  paddle a canoe / dip the paddle deep / turned in a circle | do a cartwheel / put your hands down first / fell on the soft grass
  catch a ball / keep your eyes on it / caught it once | walk on stilts / take small steps / took two steps
  play chess / think before you move / won one piece | milk a cow / squeeze from top to bottom / got three drops
$SKILL: skill

# what a child may fear: where it is, why it is harmless
fear(where,truth):
  dark corner / in the bedroom / the corner was only a corner without light | deep water / at the pool / the water could carry people
  tall ladder / in the barn / each rung was strong | big dog / next door / the dog only wanted to play
  thunder / outside / thunder was only a loud noise | high slide / at school / the slide ended in soft sand
  old cellar / under the house / the cellar held only jars and onions | long tunnel / near the railway / the tunnel had light at the end
  stage / at the theater / the people all smiled | narrow bridge / over the creek / the bridge had held many wagons
  attic / above the hall / the attic held only dusty trunks | spider / in the shed / the spider was busy with its web
$FEAR: fear

# strange noises: how they sound, what made them, why
noise(maker,why):
  tap, tap, tap / a branch at the window / the wind moved it | drip, drop / the tap in the kitchen / nobody had closed it
  scratch, scratch / a mouse behind the wall / it was making a nest | creak, creak / the old gate / its hinge needed oil
  bump, bump / a ball on the stairs / it had slipped off the shelf | hoot, hoot / an owl on the roof / it was calling its chicks
  rustle, rustle / a hedgehog in the leaves / it was looking for a snack | ding, ding / a bell on the goat / the goat had left its shed
  buzz, buzz / a bee in a jar / it could not find the way out | snore, snore / the dog under the table / it was having a long dream
  clank, clank / a loose pipe / the water ran too fast | whoosh, whoosh / the chimney / the night wind blew across it
  crunch, crunch / a pony at the carrots / it was very hungry | flap, flap / a sheet on the line / nobody had brought it in
$NOISE: noise

# vehicles of a race: verb
racer(verb): sled / slid | bike / rode | scooter / rolled | canoe / paddled | wagon / rattled | pony / galloped | skateboard / sped | sack / hopped
$RACER: racer
prize: golden cup | blue ribbon | paper crown | chocolate coin | silver medal | big balloon | bunch of daisies | shiny trophy
$PRIZE: prize

treasure: silver key | gold ring | copper coin | blue feather | glass bottle | brass bell | pocket watch | pearl
  ivory button | seashell | rusty lantern | leather purse | little mirror | velvet pouch | crystal | wooden flute
$TREASURE: treasure
owner(his): baker / his | gardener / her | farmer / his | teacher / her | fisherman / his | tailor / her | miller / his | postman / his
  doctor / her | blacksmith / his | librarian / her | captain / his | shepherd / his | singer / her | carpenter / his | queen / her
$OWNER: owner
job(do): clean the windows / cleaned the windows | sweep the floor / swept the floor | carry the wood / carried the wood
  wash the dishes / washed the dishes | water the roses / watered the roses | feed the hens / fed the hens
  sort the letters / sorted the letters | stack the books / stacked the books | mend the fence / mended the fence
  pick the apples / picked the apples | rake the leaves / raked the leaves | paint the door / painted the door
  peel the potatoes / peeled the potatoes | hang up the shirts / hung up the shirts | shovel the snow / shoveled the snow
  dust the shelves / dusted the shelves | fill the bird bath / filled the bird bath | polish the spoons / polished the spoons
$JOB: job
$JOBB: job
broken: vase | teapot | window | mirror | plate | lamp | clock | picture frame | flower pot | sugar bowl | glass | mug | jug | piggy bank
$BROKEN: broken
wish: a bicycle | a little brother | a trip to the sea | a snowy day | a telescope | a good friend | a house in a tree
  a boat with a sail | a room full of books | a pet of my own | a magic carpet | a happy year
game: tag | checkers | hide and seek | hopscotch | leapfrog | cards | pirates | catch | dominoes | knights and dragons | shopkeeper | marbles
$GAME: game
show: puppet play | magic trick | funny dance | piano song | poem | drum solo | shadow play | circus act
$SHOW: show
star: moon | evening star | brightest star | Milky Way | big round moon

# free words
happy: happy | glad | cheerful | joyful | delighted | pleased | proud | thankful
sad: sad | unhappy | gloomy | upset | miserable | ready to cry | downcast
scared: scared | afraid | frightened | nervous | worried | uneasy | anxious
tired: tired | sleepy | weary | exhausted | worn out
nicely: gently | kindly | softly | warmly | quietly | sweetly | calmly | tenderly
quickly: quickly | at once | right away | eagerly | in a hurry | without waiting | swiftly
slowly: slowly | carefully | with great care | patiently | little by little
fine_time: One day | One sunny morning | One bright day | On Saturday | On Sunday morning | One warm afternoon | One fine spring day
  Early one morning | One summer day | After breakfast | One Monday | One day after lunch | On the first day of the holidays | One mild autumn day
dark_time: One night | Late one evening | One windy night | One dark evening | In the middle of the night | One winter night | Just before midnight | After supper
big: big | huge | large | enormous
small: small | little | tiny
nice: lovely | nice | wonderful | beautiful | splendid | fine | marvelous | perfect | delightful
home: small house | yellow cottage | tall brick house | cabin | flat above the bakery | white house | farmhouse | cozy hut | houseboat | house with a red roof
landmark: the sea | a green hill | the river | an old mill | a quiet lane | the woods | a busy street | a wide field | the church | a clear lake | the railway | the mountains
relative: mother | father | grandmother | grandfather | aunt | uncle | big sister | big brother | twin cousins | parents
$REL: relative
shock: Oh no | Oh dear | Goodness | Dear me | Help | Oh my
joy: Hooray | Hurray | Yes | Wow | Wonderful | How lovely | Look | Great
hello: Hello | Hi | Good morning | Hey there | Good day
said: said | cried | called | shouted | exclaimed
spoke: said | said | whispered | remarked
reply: said | answered | replied | explained
ran: ran | hurried | rushed | raced | dashed | skipped
walked: walked | strolled | wandered | went | marched | tiptoed
hug: a big hug | a warm hug | a kiss on the cheek | a wide smile | a gentle pat | a handshake
laughed: laughed | giggled | grinned | chuckled | smiled
color: red | blue | green | yellow | orange | purple | pink | brown | black | white | gray | golden | silver
weathery: the sun was shining | the sky was blue | the birds were singing | a soft breeze was blowing | the air smelled of flowers | there were no clouds at all | it was not too hot
drink: cocoa | lemonade | warm milk | apple juice | mint tea | cold water | peppermint tea
number: two | three | four | five | six | seven | ten | twelve
)";

}  // namespace cllm::story
