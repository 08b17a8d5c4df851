# Puts the specifications and the directories they name beside the compiled programs.
file(GLOB names RELATIVE ${FROM} ${FROM}/*.json ${FROM}/*.dir)
foreach(name ${names})
    file(REMOVE_RECURSE ${TO}/${name})
    file(COPY ${FROM}/${name} DESTINATION ${TO})
endforeach()
file(TOUCH ${TO}/.copied)
