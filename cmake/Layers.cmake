# One static library per layer of src/LAYERS; its sources are the .cc files of its folder, its
# dependencies are read from src/LAYERS, so that the build and the checker cannot disagree.
function(cllm_add_layer name)
  file(GLOB sources CONFIGURE_DEPENDS ${CMAKE_CURRENT_SOURCE_DIR}/${name}/*.cc)
  file(STRINGS ${CMAKE_CURRENT_SOURCE_DIR}/LAYERS line REGEX "^${name} *:")
  string(REGEX REPLACE "^[^:]*: *" "" below "${line}")
  separate_arguments(below)
  list(TRANSFORM below PREPEND cllm_)
  add_library(cllm_${name} STATIC ${sources})
  target_include_directories(cllm_${name} PUBLIC ${CMAKE_CURRENT_SOURCE_DIR})
  target_link_libraries(cllm_${name} PUBLIC ${below} PRIVATE cllm_compiler)
endfunction()
