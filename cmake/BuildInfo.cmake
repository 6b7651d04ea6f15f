# What `cllm version` tells of the build. The commit is the one CMake ran on: a new commit runs it again.
find_package(Git QUIET)
set(CLLM_COMMIT "unknown")
if(GIT_FOUND AND EXISTS ${PROJECT_SOURCE_DIR}/.git)
  execute_process(COMMAND ${GIT_EXECUTABLE} describe --always --dirty --tags
    WORKING_DIRECTORY ${PROJECT_SOURCE_DIR} OUTPUT_VARIABLE described OUTPUT_STRIP_TRAILING_WHITESPACE
    RESULT_VARIABLE failed ERROR_QUIET)
  if(NOT failed)
    set(CLLM_COMMIT ${described})
  endif()
  if(EXISTS ${PROJECT_SOURCE_DIR}/.git/logs/HEAD)
    set_property(DIRECTORY APPEND PROPERTY CMAKE_CONFIGURE_DEPENDS ${PROJECT_SOURCE_DIR}/.git/logs/HEAD)
  endif()
endif()

function(cllm_add_build_info source)
  string(JOIN " " build_type ${CMAKE_BUILD_TYPE} ${CLLM_SANITIZE})
  set_source_files_properties(${source} PROPERTIES COMPILE_DEFINITIONS
    "CLLM_VERSION=\"${PROJECT_VERSION}\";CLLM_COMMIT=\"${CLLM_COMMIT}\";CLLM_COMPILER=\"${CMAKE_CXX_COMPILER_ID} ${CMAKE_CXX_COMPILER_VERSION}\";CLLM_BUILD_TYPE=\"${build_type}\"")
endfunction()
