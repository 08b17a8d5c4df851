/* Nothing but the header that the command line includes. */
typedef int adk_test_not_empty;
