export PATH=/home/ray/anaconda3/bin:$PATH
