"""From a cluster as it is wished and as it is seen to what is to be done now: values in, a Decision out."""
