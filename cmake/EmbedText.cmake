# A text file as a constant of the program: compiles into `target` the definition of `name`, which
# `header` declares as `extern const char* const` in `namespace`.
function(cllm_embed_text target file header namespace name)
  file(READ ${file} text)
  set(source ${CMAKE_CURRENT_BINARY_DIR}/embedded_${name}.cc)
  file(CONFIGURE OUTPUT ${source} @ONLY CONTENT
    "#include \"@header@\"\n\nnamespace @namespace@ {\nconst char* const @name@ = R\"__(@text@)__\";\n}\n")
  target_sources(${target} PRIVATE ${source})
  set_property(DIRECTORY APPEND PROPERTY CMAKE_CONFIGURE_DEPENDS ${file})
endfunction()
