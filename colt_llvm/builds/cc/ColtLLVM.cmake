#[[
Tuned builds with CMake (3.16 or later; Ninja or Makefiles).

    cmake -S . -B build -DCMAKE_C_COMPILER=colt-cc -DCMAKE_CXX_COMPILER=colt-c++ \
          -DCMAKE_PROJECT_INCLUDE="$(colt-llvm cmake-module)" -DCOLT_RUN="build/prog input.txt"

or, in CMakeLists.txt after project(): include(ColtLLVM), with the folder that "colt-llvm cmake-module --folder" prints
in CMAKE_MODULE_PATH. CMake keeps to the compiler that a build folder was made with, so that colt-cc is named then.

Targets
  colt-tune      find recipes for COLT_RUN, leave them in .colt/ of the source folder, and build with them
  colt-tuned     build with the recipes in .colt/; so does any other target
  colt-untuned   build without recipes; so does any other target, until colt-tuned is built
  colt-report    list the recipes, and say which do not fit any more

Variables
  COLT_RUN      the command that runs the program, from the source folder
  COLT_TARGET   the target that is built; all
  COLT_FLAGS    further options of "colt-llvm tune", a list
  COLT_DISABLE  ON while the folder is built without recipes; set by colt-tuned and colt-untuned

No mixture. Each compile command names an empty folder that stands for the mode and the recipes. Where one of them is
another now, all commands are other ones, and everything is compiled again.
]]
include_guard(GLOBAL)

set(COLT_RUN "" CACHE STRING "The command that runs the program, for colt-tune")
set(COLT_TARGET "all" CACHE STRING "What colt-tune, colt-tuned and colt-untuned build")
set(COLT_FLAGS "" CACHE STRING "Further options of colt-llvm tune")
option(COLT_DISABLE "Build without recipes" OFF)

find_program(COLT_LLVM colt-llvm DOC "The command colt-llvm")
set(_colt_ours FALSE)
foreach(_colt_compiler "${CMAKE_C_COMPILER}" "${CMAKE_CXX_COMPILER}")
  get_filename_component(_colt_name "${_colt_compiler}" NAME)
  if(_colt_name MATCHES "^colt-c(c|\\+\\+)$")
    set(_colt_ours TRUE)
  endif()
endforeach()

if(_colt_ours)
  set(_colt_state "${COLT_DISABLE}")
  file(GLOB_RECURSE _colt_recipes CONFIGURE_DEPENDS "${CMAKE_SOURCE_DIR}/.colt/*.json")
  foreach(_colt_recipe IN LISTS _colt_recipes)
    set_property(DIRECTORY APPEND PROPERTY CMAKE_CONFIGURE_DEPENDS "${_colt_recipe}")
    file(SHA256 "${_colt_recipe}" _colt_digest)
    string(APPEND _colt_state " ${_colt_recipe} ${_colt_digest}")
  endforeach()
  string(SHA256 _colt_digest "${_colt_state}")
  string(SUBSTRING "${_colt_digest}" 0 12 _colt_digest)
  set(_colt_folder "${CMAKE_BINARY_DIR}/CMakeFiles/colt/${_colt_digest}")
  file(MAKE_DIRECTORY "${_colt_folder}")
  add_compile_options("$<$<COMPILE_LANGUAGE:C,CXX>:-I${_colt_folder}>")
  if(COLT_DISABLE)
    foreach(_colt_language C CXX)
      set(CMAKE_${_colt_language}_COMPILER_LAUNCHER
        "${CMAKE_COMMAND}" -E env COLT_DISABLE=1 ${CMAKE_${_colt_language}_COMPILER_LAUNCHER})
    endforeach()
  endif()
endif()

# A target that only says what is missing, and fails.
function(_colt_refuse target text)
  add_custom_target(${target} COMMAND sh -c "echo 'colt-llvm: ${text}' >&2; exit 2" VERBATIM)
endfunction()

include(ProcessorCount)
ProcessorCount(_colt_cores)
set(_colt_build "${CMAKE_COMMAND}" --build "${CMAKE_BINARY_DIR}" --target "${COLT_TARGET}")
# What make says to its own children is not for the builds that are begun here.
set(_colt_env "${CMAKE_COMMAND}" -E env --unset=MAKEFLAGS --unset=MAKELEVEL --unset=MFLAGS)

if(NOT COLT_LLVM)
  set(_colt_missing "colt-llvm is not on PATH; add -DCOLT_LLVM=/path/to/colt-llvm")
elseif(NOT _colt_ours)
  set(_colt_missing "this folder has another compiler; make one with cmake -DCMAKE_C_COMPILER=colt-cc \
-DCMAKE_CXX_COMPILER=colt-c++")
else()
  set(_colt_missing "")
endif()

if(_colt_missing)
  _colt_refuse(colt-tuned "${_colt_missing}")
  _colt_refuse(colt-untuned "${_colt_missing}")
else()
  foreach(_colt_pair "colt-tuned;OFF" "colt-untuned;ON")
    list(GET _colt_pair 0 _colt_name)
    list(GET _colt_pair 1 _colt_value)
    add_custom_target(${_colt_name}
      COMMAND ${_colt_env} "${CMAKE_COMMAND}" -DCOLT_DISABLE=${_colt_value} "${CMAKE_BINARY_DIR}"
      COMMAND ${_colt_env} ${_colt_build} --parallel ${_colt_cores}
      USES_TERMINAL VERBATIM)
  endforeach()
endif()

if(_colt_missing)
  _colt_refuse(colt-tune "${_colt_missing}")
elseif(COLT_RUN STREQUAL "")
  _colt_refuse(colt-tune "COLT_RUN is not set; type cmake -DCOLT_RUN=\"build/prog input.txt\" ${CMAKE_BINARY_DIR}")
else()
  # As one word that a shell would take apart again. What is not compiled cannot be learned from: all is built anew, and
  # not by ccache.
  set(_colt_words "")
  foreach(_colt_word IN LISTS _colt_build ITEMS --clean-first --parallel "${_colt_cores}")
    string(REPLACE "'" "'\\''" _colt_word "${_colt_word}")
    string(APPEND _colt_words "'${_colt_word}' ")
  endforeach()
  add_custom_target(colt-tune
    COMMAND ${_colt_env} "${CMAKE_COMMAND}" -DCOLT_DISABLE=OFF "${CMAKE_BINARY_DIR}"
    COMMAND ${_colt_env} CCACHE_DISABLE=1 "${COLT_LLVM}" tune --build "${_colt_words}" --run "${COLT_RUN}" ${COLT_FLAGS}
    WORKING_DIRECTORY "${CMAKE_SOURCE_DIR}"
    USES_TERMINAL VERBATIM)
endif()

if(COLT_LLVM)
  add_custom_target(colt-report COMMAND "${COLT_LLVM}" recipes "${CMAKE_SOURCE_DIR}" USES_TERMINAL VERBATIM)
else()
  _colt_refuse(colt-report "${_colt_missing}")
endif()
